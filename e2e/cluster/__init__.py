"""A Kubernetes cluster for tests: a whole one in namespaces of its own, or only its API server on this machine."""
