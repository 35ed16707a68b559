"""Scoring of waves on Spark: how a wave is cut into tasks, and what a task does."""
