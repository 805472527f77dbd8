"""Whether two answers say the same: the ladder of judges, from the cheapest to one that is asked behind HTTP. Pure."""
