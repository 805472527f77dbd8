"""The admission webhook: reviews of pods over HTTPS, answered by the pure `inject` and an index of ModelRoutes."""
