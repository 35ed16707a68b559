"""Profiles: samples and counts of every quantity, over all cameras and for each camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from steeldefect.watch.clusters import Integers
from steeldefect.watch.observed import Observed
from steeldefect.watch.quantities import (
    CAMERA_SHARE,
    CLASS_RATE,
    DEFECTIVE_RATE,
    FAILURE_RATE,
    GATE_PROBABILITY,
    PICTURE_QUANTITIES,
    SIZES,
    Quantity,
)
from steeldefect.watch.samples import Count, Sample, take_count, take_sample

NIGHT_VALUES = 10_000
"""Values that a sample of a night keeps: a night of a million pictures takes no more memory."""

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Profile:
    """What the pictures of one camera, or of all, were like.

    Attributes:
        pictures: number of pictures scored.
        samples: distributions, by `Quantity.key`.
        counts: rates, by `Quantity.key`.
    """

    pictures: Annotated[int, Field(ge=0)]
    samples: Mapping[str, Sample]
    counts: Mapping[str, Count]

    def __post_init__(self) -> None:
        """Check the keys.

        Raises:
            ValueError: a key is not that of a quantity.
        """
        for key in (*self.samples, *self.counts):
            Quantity.from_key(key)


@dataclass(frozen=True)
class Profiles:
    """What the pictures of one run were like, with the answers of one bundle.

    Attributes:
        bundle: digest of the bundle.
        classes: names of its classes, by id.
        overall: all pictures.
        cameras: the pictures of each camera; empty if no camera is known.
    """

    bundle: str
    classes: Mapping[int, str]
    overall: Profile
    cameras: Mapping[str, Profile]


def profile(observed: Observed, limit: int = NIGHT_VALUES) -> Profiles:
    """Compute the profiles of a run.

    Args:
        observed: its pictures and findings.
        limit: largest number of values that a sample keeps; of more, it keeps quantiles.
    """
    images, failed = observed.images, observed.failed
    coils = _codes(pd.concat([images["coil"], failed["coil"]]))
    scope = _Scope(observed, coils if images["coil"].notna().any() else None, limit)
    camera, failed_at = images["camera"].to_numpy(object), failed["camera"].to_numpy(object)
    known = images["camera"].notna().to_numpy(bool)
    cameras = {}
    for name in sorted({*images["camera"].dropna(), *failed["camera"].dropna()}):
        mine = np.asarray(camera == name, bool)
        share = {CAMERA_SHARE: take_count(mine[known], scope.coils_of(np.flatnonzero(known)))}
        failures = np.flatnonzero(np.asarray(failed_at == name, bool))
        cameras[str(name)] = scope.measure(np.flatnonzero(mine), failures, share)
    overall = scope.measure(np.arange(len(images)), np.arange(len(failed)), {})
    return Profiles(observed.bundle, dict(observed.classes), overall, cameras)


@dataclass(frozen=True)
class _Scope:
    """Measures pictures of one run.

    Attributes:
        observed: the run.
        coils: int64 (images + failed,), numbers of the coils; None if no picture's coil is known.
        limit: largest number of values that a sample keeps.
    """

    observed: Observed
    coils: Integers | None
    limit: int

    def coils_of(self, rows: Indices) -> Integers | None:
        """Return the coils of pictures, and of failures, whose rows follow those of the images."""
        return None if self.coils is None else self.coils[rows]

    def measure(self, pictures: Indices, failures: Indices, shares: Mapping[str, Count]) -> Profile:
        """Measure some pictures and failures, given by their index."""
        rows, groups = self.observed.images.iloc[pictures], self.coils_of(pictures)
        samples = {
            name: take_sample(rows[name].to_numpy(), groups, self.limit)
            for name in (*PICTURE_QUANTITIES, GATE_PROBABILITY)
        }
        counts = {
            **shares,
            FAILURE_RATE: self._failure_rate(pictures, failures),
            DEFECTIVE_RATE: take_count(rows["defective"].to_numpy(bool), groups),
        }
        for class_id in sorted(self.observed.classes):
            key = Quantity(CLASS_RATE, class_id).key
            counts[key] = take_count(self._shows(class_id)[pictures], groups)
            samples |= self._sizes(class_id, pictures)
        return Profile(len(rows), samples, counts)

    def _failure_rate(self, pictures: Indices, failures: Indices) -> Count:
        tried = np.concatenate([pictures, failures + len(self.observed.images)])
        return take_count(np.arange(len(tried)) >= len(pictures), self.coils_of(tried))

    def _shows(self, class_id: int) -> npt.NDArray[np.bool_]:
        """Return whether each picture shows a class."""
        found = self.observed.found
        shows = np.zeros(len(self.observed.images), bool)
        shows[found["picture"].to_numpy(np.int64)[found["class_id"].to_numpy() == class_id]] = True
        return shows

    def _sizes(self, class_id: int, pictures: Indices) -> dict[str, Sample]:
        """Return the sizes of one class; defects of one coil, or else of one picture, are alike."""
        regions = self.observed.regions
        chosen = np.zeros(len(self.observed.images), bool)
        chosen[pictures] = True
        picture = regions["picture"].to_numpy(np.int64)
        mine = chosen[picture] & (regions["class_id"].to_numpy() == class_id)
        coils = self.coils_of(picture[mine])
        groups = picture[mine] if coils is None else coils
        return {
            Quantity(name, class_id).key: take_sample(
                regions[name].to_numpy()[mine], groups, self.limit
            )
            for name in SIZES
        }


def _codes(coils: pd.Series[str]) -> Integers:
    """Return the number of each picture's coil, from 0; a picture without one is its own coil."""
    codes = np.asarray(pd.factorize(coils)[0], np.int64)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return codes
