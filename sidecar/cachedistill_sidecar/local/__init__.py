"""What `cachedistill run` needs on a machine without a cluster: an embedded Redis and prepared models."""
