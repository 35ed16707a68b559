"""Nights and references, drawn from an archive with replacement, with or without faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.watch.archive import CAMERAS, Archive
from steeldefect.watch import Observed
from steeldefect.watch.quantities import PICTURE_QUANTITIES
from training.synthetic import CLASS_NAMES

BUNDLE = "0" * 64
Indices = npt.NDArray[np.int64]


class Draw(str, Enum):
    """How pictures are drawn.

    `pictures`: each by itself, and no coil is stated. `coils`: whole coils, which are stated.
    `coils_unknown`: whole coils, which are not stated.
    """

    PICTURES = "pictures"
    COILS = "coils"
    COILS_UNKNOWN = "coils_unknown"


@dataclass(frozen=True)
class Drawn:
    """Pictures that were drawn: their indices in the archive, and the coil of each drawing."""

    rows: Indices
    coils: Indices

    def without(self, dropped: npt.NDArray[np.bool_]) -> Drawn:
        """Return the pictures that are not dropped."""
        return Drawn(self.rows[~dropped], self.coils[~dropped])


def draw(archive: Archive, rng: np.random.Generator, pictures: int, how: Draw) -> Drawn:
    """Draw pictures of an archive with replacement."""
    size = len(archive.pictures)
    if how is Draw.PICTURES:
        return Drawn(rng.integers(size, size=pictures), np.arange(pictures))
    rows_of = list(archive.pictures.groupby("coil").indices.values())
    chosen = [rows_of[one] for one in rng.integers(len(rows_of), size=pictures // len(rows_of[0]))]
    coils = np.repeat(np.arange(len(chosen)), [len(one) for one in chosen])
    return Drawn(np.concatenate(chosen), coils)


def double(archive: Archive, rng: np.random.Generator, drawn: Drawn, class_id: int) -> Drawn:
    """Make a class twice as frequent in each coil, as far as the coil has other pictures.

    Other pictures of the coil are replaced by pictures of the same camera that show the class.
    """
    shows = showing(archive, class_id)
    camera = archive.pictures["camera"].to_numpy()
    rows = drawn.rows.copy()
    has = shows[rows]
    for mine in _groups(drawn.coils):
        others = rng.permutation(np.flatnonzero(mine & ~has))[: int((mine & has).sum())]
        for name in CAMERAS:
            changed = others[camera[rows[others]] == name]
            candidates = np.flatnonzero(shows & (camera == name))
            if len(candidates):
                rows[changed] = rng.choice(candidates, len(changed))
    return Drawn(rows, drawn.coils)


def showing(archive: Archive, class_id: int) -> npt.NDArray[np.bool_]:
    """Return whether the model found a class on each picture of the archive."""
    shows = np.zeros(len(archive.pictures), bool)
    shows[archive.regions["picture"][archive.regions["class_id"] == class_id]] = True
    return shows


def thinned(archive: Archive, class_id: int, rate: float, seed: int) -> Archive:
    """Return the archive with a class on this share of the pictures only."""
    rng = np.random.default_rng(seed)
    shown = np.flatnonzero(showing(archive, class_id))
    kept = rng.choice(shown, round(rate * len(archive.pictures)), replace=False)
    regions = archive.regions
    other = regions["class_id"] != class_id
    return replace(archive, regions=regions[other | regions["picture"].isin(kept)])


def seen(
    archive: Archive,
    drawn: Drawn,
    how: Draw,
    fault: str = "as_it_is",
    cameras: Sequence[str] = CAMERAS,
) -> Observed:
    """Return what a run would have seen of the pictures that were drawn.

    Args:
        archive: the archive.
        drawn: the pictures.
        how: whether the run knows the coils.
        fault: one of `FAULTS`.
        cameras: the cameras that have the fault.
    """
    images = archive.pictures.iloc[drawn.rows].reset_index(drop=True)
    images["coil"] = drawn.coils.astype(str) if how is Draw.COILS else None
    faulty = images["camera"].isin(cameras).to_numpy()[:, None]
    values = (archive.statistics[name][drawn.rows] for name in (fault, "as_it_is"))
    images[list(PICTURE_QUANTITIES)] = np.where(faulty, *values)
    regions = _regions(archive, drawn)
    found = regions[["picture", "class_id"]].drop_duplicates()
    failed = pd.DataFrame({"camera": [], "coil": []}, dtype=object)
    return Observed(BUNDLE, CLASS_NAMES, images, found, regions, failed)


def _regions(archive: Archive, drawn: Drawn) -> pd.DataFrame:
    """Return the regions of the pictures, once for each time that a picture was drawn."""
    places = pd.DataFrame({"picture": drawn.rows, "place": np.arange(len(drawn.rows))})
    joined = archive.regions.merge(places, on="picture")
    return joined.drop(columns="picture").rename(columns={"place": "picture"})


def _groups(coils: Indices) -> list[npt.NDArray[np.bool_]]:
    """Return the pictures of each coil; all together if each is a coil of its own."""
    if len(np.unique(coils)) == len(coils):
        return [np.ones(len(coils), bool)]
    return [coils == one for one in np.unique(coils)]
