"""Scores waves on Spark: waves into tasks, and what a task does with its pictures."""
