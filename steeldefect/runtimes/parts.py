"""The names by which a model of features, the second part of a network, is known.

A model of pictures has one input, of pictures. A model of features takes what the first part of its
network gives (`steeldefect.runtimes.shared`); it may take one feature alone.
"""

from __future__ import annotations

FEATURES = "features_"
"""Prefix of the names of features that a shared gate gives and its segmenter takes."""


def takes_features(first_input: str) -> bool:
    """Return whether the model whose first input has this name is a second part."""
    return first_input.startswith(FEATURES)
