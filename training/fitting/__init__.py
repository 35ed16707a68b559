"""Fit the models: losses, learning rate schedule, early stopping, checkpoints."""
