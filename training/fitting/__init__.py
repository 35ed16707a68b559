"""Fits the models: losses, schedule, early stopping, checkpoints."""
