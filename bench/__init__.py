"""Benchmarks: `python -m bench.<name>` measures the product as it runs, and ends with one line of JSON."""
