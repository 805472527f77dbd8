"""Calling the models behind HTTP: connection pools, credentials, time limits, retries."""
