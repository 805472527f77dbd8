"""What the operator costs a cluster, and how fast it is: `python -m bench.cluster`."""
