"""Certificates that the operator makes itself: for its webhook, for managed Redis, and for interception."""
