"""CacheDistill's data plane: answers an app's LLM calls with the cheapest tier that is right often enough."""
