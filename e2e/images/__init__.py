"""The images of the cluster's tests: the product's, by its own Dockerfiles, and those that the tests need beside."""
