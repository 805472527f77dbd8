"""Models that run inside the sidecar."""
