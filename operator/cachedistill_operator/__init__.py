"""The operator: reconciles SemanticCache and ModelRoute, and injects the sidecar into pods."""
