"""`cachedistill replay`: a log of requests, sent through a sidecar."""
