"""Build the networks that a recipe names, and load their initial weights."""

from __future__ import annotations

from training.models.build import build_gate, build_segmenter
from training.models.whole import for_export

__all__ = ["build_gate", "build_segmenter", "for_export"]
