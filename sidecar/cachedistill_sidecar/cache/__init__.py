"""Stored answers: keys, the near cache in process, entries and their vectors in Redis, and writing behind."""
