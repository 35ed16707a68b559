"""Packaging of steeldefect; everything it says stands in pyproject.toml."""

from setuptools import setup

setup()
