"""What an app does with an SDK, one function each."""
