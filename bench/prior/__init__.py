"""The prior of the error budget: what is believed of a route before it has labels of its own."""
