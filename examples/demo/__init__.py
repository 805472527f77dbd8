"""The demo: five days of questions to a support desk, asked through a sidecar."""
