"""What is asked for: which pictures, made from what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from steeldefect.errors import SettingsError
from training.compositing.regions import Shape


@dataclass(frozen=True)
class Order:
    """An order of pictures.

    Attributes:
        pictures: number of pictures, at least 1.
        seed: random seed of the set, at least 0.
        first: number of the first picture, at least 0.
        like: data folder of the plant's labelled pictures; None: steel and defects are drawn, and
            `masks` say which.
        split_file: split of `like`; only its train part is used. None: all pictures are.
        fold: number of the fold that is the test part, for a split file with folds.
        textures: folders of unlabelled pictures, used as clean steel if they count as clean.
        bundle: bundle that says which of them are clean; None: their contrast does.
        masks: files of run lengths, which replace the masks of `like`.
        mask_size: (height, width) of the pictures of these masks; None: the size of the pictures
            in `like`, if all have one size.
        clean_share: share of clean pictures; None: as in `like`, or in the masks.

    Raises:
        SettingsError: lists every value that is out of range, or does not fit the others.
    """

    pictures: int
    seed: int = 0
    first: int = 0
    like: Path | None = None
    split_file: Path | None = None
    fold: int | None = None
    textures: tuple[Path, ...] = ()
    bundle: Path | None = None
    masks: tuple[Path, ...] = ()
    mask_size: Shape | None = None
    clean_share: float | None = None

    def __post_init__(self) -> None:
        """Check all values."""
        problems = [*self._out_of_range(), *self._not_together()]
        if problems:
            raise SettingsError("pictures made from others: " + "; ".join(problems))

    def _out_of_range(self) -> Iterator[str]:
        least = {"pictures": 1, "seed": 0, "first": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                yield f"{name} is at least {low}; received {getattr(self, name)!r}"
        if self.clean_share is not None and not 0 <= self.clean_share <= 1:
            yield f"clean_share is a share between 0 and 1; received {self.clean_share!r}"
        if self.mask_size is not None and min(self.mask_size) < 1:
            yield f"mask_size is above 0; received {self.mask_size!r}"

    def _without_pictures(self) -> Iterator[str]:
        if not self.masks:
            yield "give like (labelled pictures), masks, or both"
        elif self.mask_size is None:
            yield "masks without pictures have no size; give mask_size"
        for name in ("split_file", "textures"):
            if getattr(self, name):
                yield f"{name} belongs to labelled pictures; give like, too"

    def _not_together(self) -> Iterator[str]:
        if self.like is None:
            yield from self._without_pictures()
        if self.fold is not None and self.split_file is None:
            yield "fold is one of a split file; give split_file, too"
        if self.bundle is not None and not self.textures:
            yield "bundle says which textures are clean; give textures, too"
        if self.mask_size is not None and not self.masks:
            yield "mask_size is for masks; give masks, too"
