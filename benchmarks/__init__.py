"""Measurements: speed of scoring and its limits, growth, upkeep, choices of training."""
