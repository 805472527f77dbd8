"""What runs in the cluster beside the product: an app with the official SDKs."""
