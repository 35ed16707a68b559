"""Run a detector over labelled pictures, compute its scores, and read `held_out.csv`."""
