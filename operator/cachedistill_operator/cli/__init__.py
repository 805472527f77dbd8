"""`cachedistill install` and `cachedistill status`: what kubectl and helm don't say in one go.

Loaded by the `cachedistill` command at every start: what is large is imported inside the functions.
"""
