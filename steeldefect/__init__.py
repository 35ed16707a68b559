"""Distributed scoring of archived steel imagery: Keras models, Spark, tables that can be trusted."""

__version__ = "0.1.0"
