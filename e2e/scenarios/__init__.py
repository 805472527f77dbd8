"""What users live through, each scenario on a real cluster with the product's own images and chart."""
