"""The steps that an exchange walks, one verb a file; `pipeline.py` strings them together."""
