"""Thresholds, minimum areas and probabilities, chosen on the validation part of a split."""
