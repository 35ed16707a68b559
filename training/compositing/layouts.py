"""Choose which defects a picture shows, and where they lie: as one real picture shows them.

Class frequencies, classes in one picture, numbers, sizes and places of defects then follow the
real ones, without a model of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steeldefect.pictures import run_lengths
from training.compositing.regions import Region, Shape, find_regions


@dataclass(frozen=True)
class Layout:
    """The defects of one picture.

    Attributes:
        shape: (height, width) of the picture, in pixels.
        runs: run lengths of its masks by class; empty for a clean picture.
        name: name of the picture whose masks they are.
    """

    shape: Shape
    runs: Mapping[int, run_lengths.Runs]
    name: str

    def regions(self) -> list[Region]:
        """Return the defects, from left to right."""
        return find_regions(self.runs, self.shape)


@dataclass(frozen=True)
class Deck:
    """All layouts, from which each picture gets one.

    Clean pictures are spread evenly, so that every series of pictures has their share. All other
    layouts are dealt in a new random order in each round, so that they are used equally often.

    Attributes:
        defective: layouts with defects.
        clean: layouts without defects; at least one.
        clean_share: share of clean pictures, 0 to 1; with 0 < 1, `defective` is not empty.
        seed: seed of the order.
    """

    defective: Sequence[Layout]
    clean: Sequence[Layout]
    clean_share: float
    seed: int

    def deal(self, number: int) -> Layout:
        """Return the layout of picture `number`, from 0; it depends on seed and number alone."""
        before = math.floor(number * self.clean_share + 0.5)
        if math.floor((number + 1) * self.clean_share + 0.5) > before:
            return self._from(self.clean, before, stream=0)
        return self._from(self.defective, number - before, stream=1)

    def _from(self, layouts: Sequence[Layout], turn: int, stream: int) -> Layout:
        around, place = divmod(turn, len(layouts))
        order = np.random.default_rng([self.seed, stream, around]).permutation(len(layouts))
        return layouts[int(order[place])]
