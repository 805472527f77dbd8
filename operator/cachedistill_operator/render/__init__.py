"""Pure: from a resource and the world to manifests and a status."""
