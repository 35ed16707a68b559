"""The models a recipe can name, each built in a file of its own."""

from __future__ import annotations

from training.models.build import build_gate, build_segmenter

__all__ = ["build_gate", "build_segmenter"]
