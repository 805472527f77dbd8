"""What may be answered from the cache. Pure: no I/O, so that simulations import these very modules."""
