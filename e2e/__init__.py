"""The whole product in a real cluster: binaries, images, the cluster itself, and what must hold in it."""
