"""Coils: which picture shows which frame of which coil, and what is wrong with a coil or a camera.

The pictures of a set follow each other by coil, then by camera, then by frame. The frames of one
camera follow each other along the strip, without a gap: frame f begins at f times the length of a
picture. Cameras stand side by side across the strip.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from steeldefect.errors import SettingsError

LEAST_DIAMETER_MM, MOST_DIAMETER_MM = 100.0, 2000.0
"""Smallest roll whose marks lie apart; largest roll of a rolling mill."""


@dataclass(frozen=True)
class RollMark:
    """The mark that a damaged roll prints on one coil at each of its turns.

    Attributes:
        coil: number of the coil, from 1.
        camera: number of the camera that sees the mark, from 1.
        diameter_mm: diameter of the roll; its circumference is the distance of two marks.
    """

    coil: int
    camera: int = 1
    diameter_mm: float = 300.0

    @property
    def period_mm(self) -> float:
        """Distance from one mark to the next along the strip."""
        return math.pi * self.diameter_mm


@dataclass(frozen=True)
class DarkCamera:
    """A camera that gets less light on some coils.

    Attributes:
        camera: number of the camera, from 1.
        first, last: its first and last dark coil, from 1.
        light: share of the usual light, above 0 and below 1.
    """

    camera: int
    first: int
    last: int
    light: float = 0.4


@dataclass(frozen=True)
class Shot:
    """Which frame of which coil a picture shows.

    Attributes:
        coil: number of the coil, from 1.
        camera: number of the camera, from 1; None if the set does not name cameras.
        frame: number of the frame, from 0.
    """

    coil: int
    camera: int | None
    frame: int

    @property
    def name(self) -> str:
        """Name of the picture's file."""
        seen_by = "" if self.camera is None else f"-camera_{self.camera}"
        return f"coil_{self.coil:03d}{seen_by}-frame_{self.frame:04d}.jpg"


@dataclass(frozen=True)
class CoilSettings:
    """Which coils and cameras a set of pictures shows.

    Attributes:
        frames: number of pictures that a camera takes of a coil. 0: the pictures belong to no coil.
        cameras: number of cameras that photograph each coil. 0: one camera, without a name.
        pixel_mm: length of a pixel along the strip, which is along the picture's width.
        roll_marks: marks of rolls, in the order of drawing.
        dark: cameras with less light.

    Raises:
        SettingsError: lists every setting that is out of range, or that does not fit the others.
    """

    frames: int = 0
    cameras: int = 0
    pixel_mm: float = 0.5
    roll_marks: tuple[RollMark, ...] = ()
    dark: tuple[DarkCamera, ...] = ()

    def __post_init__(self) -> None:
        """Check all settings."""
        problems = [*self._problems_of_coils()]
        for mark in self.roll_marks:
            problems += self._problems_of_mark(mark)
        for camera in self.dark:
            problems += self._problems_of_dark(camera)
        if problems:
            raise SettingsError("synthetic strips: " + "; ".join(problems))

    @property
    def pictures_of_coil(self) -> int:
        """Number of pictures of one coil; 0 without coils."""
        return self.frames * max(1, self.cameras)

    def shot(self, number: int) -> Shot | None:
        """Return what a picture shows; None if the pictures belong to no coil."""
        if not self.frames:
            return None
        coil, rest = divmod(number, self.pictures_of_coil)
        camera, frame = divmod(rest, self.frames)
        return Shot(coil + 1, camera + 1 if self.cameras else None, frame)

    def name_of(self, number: int) -> str:
        """Return the name of a picture's file."""
        shot = self.shot(number)
        return f"strip_{number:06d}.jpg" if shot is None else shot.name

    def light_of(self, number: int) -> float:
        """Return the share of the usual light that reaches the camera of a picture, 0 to 1."""
        shot = self.shot(number)
        if shot is None:
            return 1.0
        shares = [
            one.light
            for one in self.dark
            if one.camera == shot.camera and one.first <= shot.coil <= one.last
        ]
        return min(shares, default=1.0)

    def unseen(self, first: int, pictures: int) -> list[str]:
        """Return a problem for each roll mark and dark camera that no picture would show.

        Args:
            first: number of the first picture.
            pictures: number of pictures.
        """
        if not self.frames:
            return []
        begin, end = (
            first // self.pictures_of_coil + 1,
            -(-(first + pictures) // self.pictures_of_coil),
        )
        named = [("roll mark", one.coil, one.coil) for one in self.roll_marks]
        named += [("dark camera", one.first, one.last) for one in self.dark]
        return [
            f"{what}: the pictures show coils {begin} to {end}; received coil {low}"
            + (f" to {high}" if high > low else "")
            for what, low, high in named
            if high < begin or low > end
        ]

    def _problems_of_coils(self) -> Iterator[str]:
        for name in ("frames", "cameras"):
            if getattr(self, name) < 0:
                yield f"{name} is at least 0; received {getattr(self, name)!r}"
        if not 0 < self.pixel_mm < math.inf:
            yield f"pixel_mm is above 0; received {self.pixel_mm!r}"
        if self.frames == 0 and (self.cameras or self.roll_marks or self.dark):
            yield "cameras, roll marks and dark cameras belong to coils; give frames, too"

    def _problems_of_mark(self, mark: RollMark) -> Iterator[str]:
        yield from self._problems_of_camera("roll mark", mark.camera)
        if mark.coil < 1:
            yield f"roll mark: coils count from 1; received {mark.coil!r}"
        if not LEAST_DIAMETER_MM <= mark.diameter_mm <= MOST_DIAMETER_MM:
            yield (
                f"roll mark: diameter_mm is {LEAST_DIAMETER_MM:g} to {MOST_DIAMETER_MM:g}; "
                f"received {mark.diameter_mm!r}"
            )

    def _problems_of_dark(self, dark: DarkCamera) -> Iterator[str]:
        if not self.cameras:
            yield "dark camera: the pictures name no camera; give cameras, too"
        else:
            yield from self._problems_of_camera("dark camera", dark.camera)
        if not 1 <= dark.first <= dark.last:
            yield (
                "dark camera: coils count from 1, and the first is not after the last; received "
                f"{dark.first!r} to {dark.last!r}"
            )
        if not 0.0 < dark.light < 1.0:
            yield f"dark camera: light is a share between 0 and 1; received {dark.light!r}"

    def _problems_of_camera(self, what: str, camera: int) -> Iterator[str]:
        most = max(1, self.cameras)
        if not 1 <= camera <= most:
            yield f"{what}: camera is 1 to {most}; received {camera!r}"
