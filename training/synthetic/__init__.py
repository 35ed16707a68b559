"""Draw a labelled data set: synthetic pictures of hot-rolled steel strips with defects.

Use it when no photographs may be used: it needs no licence, it can have any number of pictures,
and its masks are exact. Scores on it show that a pipeline learns and measures correctly. They say
nothing about a real plant.

    >>> from pathlib import Path
    >>> from training.synthetic import generate
    >>> generate(Path("data/synthetic"), pictures=400, seed=7)  # doctest: +SKIP

`surface` draws the steel and its harmless marks. `defects` draws the four classes. `coils` says
which frame of which coil a picture shows. `rolls` draws the marks of a damaged roll. `strip` draws
one whole picture. `dataset` writes a folder of pictures. `noise` draws the random fields that all
of them use.
"""

from __future__ import annotations

from training.synthetic.coils import CoilSettings, DarkCamera, RollMark
from training.synthetic.dataset import generate
from training.synthetic.defects import CLASS_NAMES
from training.synthetic.strip import Strip, StripSettings, draw_strip

__all__ = [
    "CLASS_NAMES",
    "CoilSettings",
    "DarkCamera",
    "RollMark",
    "Strip",
    "StripSettings",
    "draw_strip",
    "generate",
]
