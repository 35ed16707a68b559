"""The clean steel of a picture: a clean picture, slightly changed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.pictures.preprocessing import Gray
from steeldefect.program.progress import followed
from training.compositing.regions import Shape
from training.compositing.steel import Surface, steel_of, surface_of
from training.data.dataset import LabelledPicture
from training.synthetic.strip import StripSettings, draw_strip

Mask = npt.NDArray[np.bool_]

LEAST_SHARE = 0.5
"""Smallest side of a texture, as a share of the side of the picture that it fills."""

_READERS = 4
_TURNED = 0.5  # share of textures that are enlarged and turned
_MOST_ZOOM = 1.08
_MOST_DEGREES = 1.0


class Ground(NamedTuple):
    """The steel of one picture.

    Attributes:
        picture: uint8 (height, width).
        steel: bool (height, width), false beyond the edge of the strip.
        name: name of the picture that it is from; empty if it was drawn.
        group: group of that picture; empty if it was drawn.
    """

    picture: Gray
    steel: Mask
    name: str
    group: str


@dataclass(frozen=True)
class PictureTextures:
    """Clean pictures, from which windows are cut.

    Attributes:
        pictures: n pictures, at least one; each is clean, or counts as clean (`screening`).
        surfaces: float64 (n, 3), the surface of each.
    """

    pictures: tuple[LabelledPicture, ...]
    surfaces: Surface

    @classmethod
    def of(cls, pictures: Sequence[LabelledPicture]) -> PictureTextures:
        """Read all pictures once, to describe their surfaces.

        Raises:
            DataError: a picture cannot be read.
        """
        with ThreadPoolExecutor(_READERS) as pool:
            found = pool.map(_surface, pictures)
            surfaces = list(followed(found, len(pictures), "reading steel", "pictures"))
        return cls(tuple(pictures), np.stack(surfaces))

    def fitting(self, shape: Shape) -> list[int]:
        """Return the numbers of the pictures that can fill a picture of this size.

        Those that cover it are preferred. Others are continued by their mirror image, if they have
        at least half of its height and of its width.
        """
        covering = [number for number, one in enumerate(self.pictures) if _covers(one.shape, shape)]
        least = (round(LEAST_SHARE * shape[0]), round(LEAST_SHARE * shape[1]))
        return covering or [
            number for number, one in enumerate(self.pictures) if _covers(one.shape, least)
        ]

    def draw(self, rng: np.random.Generator, shape: Shape, like: Surface | None = None) -> Ground:
        """Return a window of a random picture: mirrored, and sometimes enlarged and turned.

        Args:
            rng: source of randomness.
            shape: (height, width) of the window, in pixels.
            like: a surface; the picture is then one of the half that is most like it.
        """
        fitting = self.fitting(shape)
        if like is not None:
            fitting = self._most_like(like, fitting)
        chosen = self.pictures[int(rng.choice(fitting))]
        picture = _window(rng, chosen.read(), shape)
        for axis in (0, 1):
            if rng.random() < 0.5:
                picture = np.flip(picture, axis)
        if rng.random() < _TURNED:
            picture = _turned(rng, picture)
        picture = np.ascontiguousarray(picture)
        return Ground(picture, steel_of(picture), chosen.name, chosen.group)

    def _most_like(self, surface: Surface, numbers: list[int]) -> list[int]:
        spread = self.surfaces.std(axis=0) + 1e-6
        away = (np.abs(self.surfaces[numbers] - surface) / spread).sum(axis=1)
        nearest = np.argsort(away, kind="stable")[: -(-len(numbers) // 2)]
        return [numbers[int(place)] for place in nearest]


class DrawnTextures:
    """Steel that is drawn, where there is no picture of it; see `training.synthetic`."""

    def fitting(self, shape: Shape) -> list[int]:
        """Check that such pictures can be drawn; return one number, for the one kind of them.

        Raises:
            SettingsError: steel of this size cannot be drawn.
        """
        StripSettings(height=shape[0], width=shape[1])
        return [0]

    def draw(self, rng: np.random.Generator, shape: Shape, like: Surface | None = None) -> Ground:
        """Draw a clean strip; `like` has no effect."""
        settings = StripSettings(height=shape[0], width=shape[1], clean_share=1.0)
        strip = draw_strip(rng, settings)
        return Ground(strip.picture, strip.on_strip, "", "")


Textures = PictureTextures | DrawnTextures


def _surface(picture: LabelledPicture) -> Surface:
    gray = picture.read()
    return surface_of(gray, steel_of(gray))


def _covers(shape: Shape, least: Shape) -> bool:
    return shape[0] >= least[0] and shape[1] >= least[1]


def _window(rng: np.random.Generator, picture: Gray, shape: Shape) -> Gray:
    """Cut a window; a side that is too short is continued by its mirror image."""
    missing = [max(0, whole - own) for whole, own in zip(shape, picture.shape, strict=True)]
    if any(missing):
        picture = np.asarray(
            cv2.copyMakeBorder(picture, 0, missing[0], 0, missing[1], cv2.BORDER_REFLECT_101),
            np.uint8,
        )
    top, left = (
        int(rng.integers(own - part + 1)) for own, part in zip(picture.shape, shape, strict=True)
    )
    return picture[top : top + shape[0], left : left + shape[1]]


def _turned(rng: np.random.Generator, picture: Gray) -> Gray:
    """Enlarge and turn a picture a little around a random point."""
    height, width = picture.shape
    centre = (float(rng.uniform(0, width)), float(rng.uniform(0, height)))
    degrees = float(rng.uniform(-_MOST_DEGREES, _MOST_DEGREES))
    zoom = float(rng.uniform(1.0, _MOST_ZOOM))
    matrix = cv2.getRotationMatrix2D(centre, degrees, zoom)
    turned = cv2.warpAffine(
        picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(turned, dtype=np.uint8)
