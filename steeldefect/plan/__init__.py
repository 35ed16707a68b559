"""Plan a run: list the pictures under the input, and drop those that need no scoring."""
