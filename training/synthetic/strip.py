"""Draw one picture: steel, harmless marks, defects with masks, the edge, the camera's grain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeldefect.errors import SettingsError
from training.synthetic import surface
from training.synthetic.defects import CLASSES, DefectClass
from training.synthetic.noise import Mask, Plane
from training.synthetic.rolls import IMPRINT_CLASS, Stamp

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class StripSettings:
    """Settings of a data set of strips. All shares are between 0 and 1.

    Attributes:
        height: height of a picture in pixels, at least 64. Sizes of defects scale with it.
        width: width of a picture in pixels, at least four times the height. This leaves room for
            a defect of each class.
        jpeg_quality: quality of the JPEG files, 1 to 100.
        clean_share: share of pictures without a defect.
        mixed_share: share of the defective pictures that show two classes or more.
        edge_share: share of pictures that show an edge of the strip; beyond it, they are nearly
            black.
        class_shares: weights of the classes 1 to 4 in the random choice, above 0, with any sum.

    Raises:
        SettingsError: lists every setting that is out of range.
    """

    height: int = 256
    width: int = 1600
    jpeg_quality: int = 92
    clean_share: float = 0.45
    mixed_share: float = 0.15
    edge_share: float = 0.33
    class_shares: tuple[float, float, float, float] = (0.24, 0.22, 0.29, 0.25)

    def __post_init__(self) -> None:
        """Check all settings."""
        problems = [
            f"{name} is a share between 0 and 1; received {value!r}"
            for name, value in (
                ("clean_share", self.clean_share),
                ("mixed_share", self.mixed_share),
                ("edge_share", self.edge_share),
            )
            if not 0.0 <= value <= 1.0
        ]
        if self.height < 64:
            problems.append(f"height is at least 64 pixels; received {self.height!r}")
        if self.width < 4 * self.height:
            problems.append(
                f"width is at least four times the height; received {self.width!r} by "
                f"{self.height!r} (width by height)"
            )
        if not 1 <= self.jpeg_quality <= 100:
            problems.append(f"jpeg_quality is 1 to 100; received {self.jpeg_quality!r}")
        if len(self.class_shares) != len(CLASSES) or not min(self.class_shares, default=0) > 0:
            problems.append(
                f"class_shares are {len(CLASSES)} weights above 0; received {self.class_shares!r}"
            )
        if problems:
            raise SettingsError("synthetic strips: " + "; ".join(problems))


@dataclass(frozen=True)
class Strip:
    """One drawn picture and its truth.

    Attributes:
        picture: uint8 (height, width), gray levels.
        masks: bool (height, width, 4); `masks[:, :, k - 1]` belongs to class k. No pixel belongs
            to two classes.
        on_strip: bool (height, width), false beyond the strip's edge. Masks are inside the strip.
    """

    picture: Picture
    masks: Mask
    on_strip: Mask


def draw_strip(
    rng: np.random.Generator,
    settings: StripSettings,
    stamps: Sequence[Stamp] = (),
    light: float = 1.0,
) -> Strip:
    """Draw one picture of a strip.

    Args:
        rng: source of all randomness; equal generators draw equal pictures.
        settings: settings of the data set.
        stamps: marks of rolls; they are there on a strip without other defects, too.
        light: share of the usual light that reaches the camera, above 0 to 1.

    Returns:
        Picture with its masks; on a clean strip without stamps, all masks are empty.
    """
    height, width = settings.height, settings.width
    steel = surface.draw_steel(rng, height, width)
    on_strip = np.ones((height, width), dtype=bool)
    if rng.random() < settings.edge_share:
        on_strip = surface.draw_edge(rng, height, width)
    masks = np.zeros((height, width, len(CLASSES)), dtype=bool)
    for stamp in stamps:
        masks[:, :, IMPRINT_CLASS - 1] |= stamp.press(steel, on_strip)
    _draw_defects(rng, steel, masks, on_strip, _choose_classes(rng, settings))
    scene = surface.expose(rng, np.float32(light) * surface.shade_edge(rng, steel, on_strip))
    return Strip(np.clip(np.rint(scene), 0, 255).astype(np.uint8), masks, on_strip)


def _choose_classes(rng: np.random.Generator, settings: StripSettings) -> list[int]:
    """Choose the classes that a picture shows; an empty list for a clean picture."""
    if rng.random() < settings.clean_share:
        return []
    count = 1
    if rng.random() < settings.mixed_share:
        count = 3 if rng.random() < 0.15 else 2
    weights = np.array(settings.class_shares) / sum(settings.class_shares)
    chosen = rng.choice(list(CLASSES), size=count, replace=False, p=weights)
    # The broadest class first, while there is still room.
    return sorted(chosen.tolist(), key=lambda number: -CLASSES[number].breadth[1])


def _draw_defects(
    rng: np.random.Generator, steel: Plane, masks: Mask, on_strip: Mask, classes: list[int]
) -> None:
    """Draw one window of each class, then more windows while columns are free, and their masks."""
    free: Mask = np.asarray(on_strip.all(axis=0) & ~masks.any(axis=(0, 2)), dtype=bool)
    further = [number for number in classes for _ in range(rng.integers(0, CLASSES[number].most))]
    for number in classes + further:
        columns = _place(rng, free, CLASSES[number], surface.scale_of(steel.shape[0]))
        if columns is not None:
            masks[:, columns, number - 1] = CLASSES[number].paint(rng, steel[:, columns])
            free[columns] = False


def _place(
    rng: np.random.Generator, free: npt.NDArray[np.bool_], kind: DefectClass, scale: float
) -> slice | None:
    """Choose free columns for a window of a class; None if no gap is broad enough."""
    least, most = kind.breadth
    for breadth in (round(rng.uniform(least, most) * scale), round(least * scale)):
        taken = np.concatenate(([0], np.cumsum(~free)))
        starts = np.flatnonzero(taken[breadth:] == taken[:-breadth])
        if starts.size:
            start = int(rng.choice(starts))
            return slice(start, start + breadth)
    return None
