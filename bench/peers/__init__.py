"""Peers: other projects, each pinned in its own environment under the cache folder."""
