"""A picture with its masks, as annotation tools exchange it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from steeldefect.pictures.run_lengths import Runs


@dataclass(frozen=True)
class AnnotatedPicture:
    """One picture and its masks.

    Attributes:
        name: name of the picture's file in the export; no two pictures of an export share it.
        width: width of the picture in pixels.
        height: height of the picture in pixels.
        masks: runs of each mask that is not empty, by class id.
    """

    name: str
    width: int
    height: int
    masks: Mapping[int, Runs]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width
