"""Divide the validation groups: one half chooses values, the other proves guarantees of classes.

A class is missed by gate, pixel threshold and minimum area together. They are searched for the best
result, and a search looks better on its own groups than on others. So the pixel threshold of a
guarantee is tested on groups that the search has not seen ("split fixed sequence testing" in
Angelopoulos et al., "Learn then test", 2021). The gate needs no other half: its only threshold is
the one that is tested, and a temperature keeps the order of its probabilities.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.calibration.guarantee import needed_groups
from training.data.dataset import LabelledPicture

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Halves:
    """The pictures that choose values, and those that prove guarantees of classes.

    Attributes:
        choosing: bool (pictures,); all pictures if no class can be proven.
        proving: bool (pictures,), every second group.
    """

    choosing: Bools
    proving: Bools


def guarantee_halves(
    pictures: Sequence[LabelledPicture],
    class_ids: Sequence[int],
    missed: float,
    confidence: float,
) -> Halves:
    """Divide pictures by their groups, always in the same way.

    Groups are ordered by the hash of their names, which tells nothing about the pictures.

    Args:
        pictures: pictures of the validation part.
        class_ids: classes of the bundle.
        missed: share of groups that may be missed.
        confidence: confidence of the guarantees.
    """
    groups = sorted({one.group for one in pictures}, key=_hash)
    second = set(groups[1::2])
    proving = np.array([one.group in second for one in pictures], dtype=bool)
    needed = needed_groups(missed, confidence)
    shown = {
        class_id: {one.group for one in pictures if class_id in one.runs} & second
        for class_id in class_ids
    }
    provable = any(len(own) >= needed for own in shown.values())
    return Halves(~proving if provable else np.ones_like(proving), proving)


def _hash(group: str) -> str:
    return hashlib.sha256(group.encode()).hexdigest()
