"""Distributed scoring of archived steel imagery: Keras models, Spark, trusted tables."""

__version__ = "0.1.0"
