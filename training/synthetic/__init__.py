"""A labelled data set that is drawn, not photographed: strips of hot-rolled steel with defects.

It stands in where no photographs may be used: it carries no licence, any number of pictures can
be had, and the truth is exact. Scores reached on it say that a pipeline learns and measures
correctly; they say nothing about a plant.

    >>> from pathlib import Path
    >>> from training.synthetic import generate
    >>> generate(Path("data/synthetic"), pictures=400, seed=7)  # doctest: +SKIP

`surface` draws the steel and what is harmless on it, `defects` the four classes, `strip` puts
one picture together, `dataset` writes a folder of them; `noise` holds the random fields that all
of these are made of.
"""

from __future__ import annotations

from training.synthetic.dataset import generate
from training.synthetic.defects import CLASS_NAMES
from training.synthetic.strip import Strip, StripSettings, draw_strip

__all__ = ["CLASS_NAMES", "Strip", "StripSettings", "draw_strip", "generate"]
