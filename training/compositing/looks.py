"""Choose the look of a defect: a whole donor, or the look of donors in a mask of another form."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from steeldefect.program.progress import followed
from training.compositing.donors import Blend, Donor, box_of, cut_out, masks_in
from training.compositing.filling import fill
from training.compositing.invented import draw_look
from training.compositing.poisson import cover_of, margin_of
from training.compositing.regions import Region, find_regions, form_of
from training.compositing.steel import Surface
from training.data.dataset import LabelledPicture

_READERS = 4
_KEPT = 256  # donors in memory
_AREA_RATIO = 2.0  # largest ratio of the areas of a region and of a donor that stands for it
_NEAREST = 5  # donors of the most similar forms, among which one is chosen at random
_FORM_WEIGHTS = np.array([1.0, 1.0, 2.0])  # area, proportion, thickness: a copy must be as thick


class Found(NamedTuple):
    """A region of a labelled picture."""

    picture: LabelledPicture
    region: Region


class Looks(Protocol):
    """A choice of looks."""

    def choose(self, rng: np.random.Generator, region: Region) -> Donor:
        """Return what is blended where a layout has a region."""


def find_donors(pictures: Sequence[LabelledPicture]) -> list[Found]:
    """Return all regions of labelled pictures, in the order of the pictures."""
    shown = [picture for picture in pictures if picture.runs]
    with ThreadPoolExecutor(_READERS) as pool:
        regions = followed(pool.map(_regions_of, shown), len(shown), "reading defects", "pictures")
        return [
            Found(picture, region)
            for picture, found in zip(shown, regions, strict=True)
            for region in found
        ]


class WholeDonors:
    """Looks for layouts of labelled pictures: a similar region, with its own masks."""

    def __init__(self, donors: Sequence[Found]) -> None:
        """Store the donors; they contain all regions of the layouts."""
        self._donors = donors
        self._areas = np.array([one.region.area for one in donors], dtype=np.float64)
        self._cut = lru_cache(_KEPT)(lambda number: cut_out(*donors[number]))

    def choose(self, rng: np.random.Generator, region: Region) -> Donor:
        """Return a donor of the same classes and a similar area that touches the same sides.

        Donors that touch a side are from pictures of the same size. The region itself is one.
        """
        ratio = np.abs(np.log(self._areas / region.area))
        alike = [
            number
            for number in np.flatnonzero(ratio <= np.log(_AREA_RATIO)).tolist()
            if _stands_for(self._donors[number].region, region)
        ]
        return self._cut(alike[int(rng.integers(len(alike)))])


class FilledMasks:
    """Looks for layouts of masks without pictures: their masks, with the look of donors.

    A class without a donor gets a drawn look.
    """

    def __init__(self, donors: Sequence[Found]) -> None:
        """Store the donors and the forms of their masks, by class."""
        self._cut = lru_cache(_KEPT)(lambda number: cut_out(*donors[number]))
        self._numbers: dict[int, list[int]] = {}
        for number, one in enumerate(donors):
            for class_id in one.region.classes:
                self._numbers.setdefault(class_id, []).append(number)
        self._forms = {
            class_id: np.stack([form_of(donors[number].region.masks[class_id]) for number in own])
            for class_id, own in self._numbers.items()
        }

    def choose(self, rng: np.random.Generator, region: Region) -> Donor:
        """Return the region, filled class by class."""
        margin = margin_of(region.shape[0])
        masks = masks_in(region, box_of(region, margin))
        whole = np.any(list(masks.values()), axis=0)
        excess = np.zeros(whole.shape, dtype=np.float32)
        names: list[str] = []
        surface: Surface | None = None
        for place, (class_id, mask) in enumerate(masks.items()):
            donor = self._donor(rng, class_id, mask)
            if donor is None:
                look, of = draw_look(rng, class_id, region.shape[0])
            else:
                look, of, surface = donor.excess, donor.masks[class_id], donor.surface
                names.append(donor.names[0])
            filled = fill(rng, mask, look, of)
            excess = filled if place == 0 else np.where(mask, filled, excess)
        drawn = any(class_id not in self._numbers for class_id in masks)
        return Donor(
            excess=excess,
            cover=cover_of(whole, max(2, margin // 2)),
            masks=masks,
            edges=region.edges,
            names=tuple(names),
            surface=surface,
            blend=Blend.SHADE if drawn else Blend.CLONE,
        )

    def _donor(
        self, rng: np.random.Generator, class_id: int, mask: npt.NDArray[np.bool_]
    ) -> Donor | None:
        """Return a donor of the class whose mask has a similar form; None if there is none."""
        if class_id not in self._numbers:
            return None
        away = np.abs(self._forms[class_id] - form_of(mask)) @ _FORM_WEIGHTS
        nearest = np.argsort(away, kind="stable")[:_NEAREST]
        return self._cut(self._numbers[class_id][int(rng.choice(nearest))])


def _stands_for(donor: Region, region: Region) -> bool:
    if donor.classes != region.classes or donor.edges != region.edges:
        return False
    if donor.edges:
        return donor.shape == region.shape
    return all(part < whole for part, whole in zip(donor.size, region.shape, strict=True))


def _regions_of(picture: LabelledPicture) -> list[Region]:
    return find_regions(picture.runs, picture.shape)
