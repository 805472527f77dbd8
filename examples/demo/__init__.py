"""The demo: some 300 questions to a support desk, asked through a sidecar."""
