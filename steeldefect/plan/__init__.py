"""What a run scores: the pictures under the input, less those that are dealt with."""
