"""Packaging of steeldefect; pyproject.toml holds all of it."""

from setuptools import setup

setup()
