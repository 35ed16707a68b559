"""The networks that the recipes name, built and with the weights to begin with."""

from __future__ import annotations

from training.models.build import build_gate, build_segmenter
from training.models.whole import for_export

__all__ = ["build_gate", "build_segmenter", "for_export"]
