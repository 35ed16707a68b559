"""A detector over labelled pictures: what it finds, its scores, and `held_out.csv`."""
