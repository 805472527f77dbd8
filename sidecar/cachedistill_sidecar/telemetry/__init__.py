"""Spans, metrics and decision headers; every name stands in `names.py`."""
