"""Pictures of a plant in numbers: coils, cameras, statistics and answers, without a picture."""

from __future__ import annotations

import numpy as np
import pandas as pd

from steeldefect.watch import Observed
from steeldefect.watch.quantities import GATE_PROBABILITY, PICTURE_QUANTITIES

BUNDLE = "a" * 64
CLASSES = {1: "pitting", 2: "patch"}
COLUMNS = [*PICTURE_QUANTITIES, GATE_PROBABILITY]


def plant(seed: int, coils: int = 25, frames: int = 40, unlike: float = 0.0) -> Observed:
    """Draw a night.

    `unlike` is the deviation between coils in units of the deviation within them.
    """
    rng = np.random.default_rng(seed)
    count = coils * frames
    coil, camera = np.arange(count) // frames, np.arange(count) % 4
    moved = rng.normal(0, unlike, coils)[coil]
    light = rng.normal(0, 1, count) + moved
    images = pd.DataFrame({"camera": (camera + 1).astype(str), "coil": coil.astype(str)})
    images["gray_mean"] = 100 + 15 * light
    images["gray_std"] = 25 + 3 * rng.normal(0, 1, count)
    images["sharpness"] = 200 * np.exp(0.3 * rng.normal(0, 1, count)) * (1 + light / 10) ** 2
    images["clipped_dark"] = np.maximum(0, rng.normal(-0.01, 0.01, count))
    images["clipped_bright"] = 0.0
    images["black_margin"] = np.where(rng.random(count) < 0.3, rng.uniform(0.04, 0.5, count), 0)
    images["gate_probability"] = rng.beta(0.5, 2, count)
    shares = 1 / (1 + np.exp(1.8 - moved))
    shown = {number: rng.random(count) < shares for number in CLASSES}
    images["defective"] = shown[1] | shown[2]
    found = pd.concat(
        [pd.DataFrame({"picture": np.flatnonzero(shown[one]), "class_id": one}) for one in CLASSES],
        ignore_index=True,
    )
    regions = found.loc[found.index.repeat(2)].reset_index(drop=True)
    regions["area"] = rng.integers(50, 5000, len(regions))
    regions["length"] = np.sqrt(regions["area"]) * 2
    images[COLUMNS] = images[COLUMNS].astype(np.float32)
    return Observed(BUNDLE, CLASSES, images, found, regions, failures())


def failures(cameras: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return rows of pictures that could not be scored."""
    coils = [None] * len(cameras)
    return pd.DataFrame({"camera": list(cameras), "coil": coils}, dtype=object)


def changed(night: Observed, **parts: pd.DataFrame) -> Observed:
    """Return the night with other tables."""
    tables = {name: getattr(night, name) for name in ("images", "found", "regions", "failed")}
    return Observed(night.bundle, night.classes, **(tables | parts))


def kept(night: Observed, rows: pd.Series[bool]) -> Observed:
    """Return the night with some of its pictures only."""
    places = np.flatnonzero(rows.to_numpy())
    numbers = pd.Series(np.arange(len(places)), index=places)
    tables = {}
    for name in ("found", "regions"):
        table = getattr(night, name)
        table = table[table["picture"].isin(places)].copy()
        tables[name] = table.assign(picture=table["picture"].map(numbers).astype(int))
    return changed(night, images=night.images.iloc[places].reset_index(drop=True), **tables)


def without_places(night: Observed, *columns: str) -> Observed:
    """Return the night with unknown cameras or coils."""
    return changed(night, images=night.images.assign(**dict.fromkeys(columns)))
