"""The Kubernetes API: a client, what has been seen of the cluster, leadership, a queue of what to look at."""
