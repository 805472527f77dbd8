"""Answering calls to hosts that were redirected here: certificates, the apps' trust, and names as DNS has them."""
