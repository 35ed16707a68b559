"""Make one whole picture: clean steel, clean pieces, defects with their masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.pictures.preprocessing import Gray
from training.compositing.donors import Blend, Donor, clean_piece, varied
from training.compositing.layouts import Deck
from training.compositing.looks import Looks
from training.compositing.placing import Free, find_place
from training.compositing.poisson import Piece, clone, margin_of, shade, to_gray
from training.compositing.regions import Region, Shape
from training.compositing.steel import surface_of
from training.compositing.textures import Ground, PictureTextures, Textures

Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_GROUNDS = 4  # grounds that are tried until all defects find a place
_CLEAN_PIECES = 0.5  # share of pictures into which a clean piece is blended
_MOST_GAMMA = 1.15
_AROUND = 3  # margins of steel around a piece, on which its membrane rests


@dataclass(frozen=True)
class Composite:
    """One picture with its truth.

    Attributes:
        picture: uint8 (height, width).
        masks: bool (height, width) by class; no class without pixels.
        ground: name of the picture of its steel; empty if the steel was drawn.
        group: group of that picture; empty if the steel was drawn.
        donors: names of the pictures of its defects.
        others: names of the pictures of its clean pieces.
        without_place: number of defects that found no place and were left out.
    """

    picture: Gray
    masks: Mapping[int, Mask]
    ground: str
    group: str
    donors: tuple[str, ...]
    others: tuple[str, ...]
    without_place: int


class _Placed(NamedTuple):
    donor: Donor
    top: int  # of the smallest box around its masks, in the picture
    left: int


@dataclass(frozen=True)
class Composer:
    """Makes pictures; each depends on the seed and its number alone.

    Attributes:
        deck: layouts.
        textures: clean steel.
        looks: looks of the defects.
        seed: random seed of the set.
    """

    deck: Deck
    textures: Textures
    looks: Looks
    seed: int

    def make(self, number: int) -> Composite:
        """Make picture `number`, from 0."""
        rng = np.random.default_rng([self.seed, number])
        layout = self.deck.deal(number)
        regions = sorted(layout.regions(), key=lambda region: -region.area)
        wanted = [(varied(rng, self.looks.choose(rng, one), one.shape), one) for one in regions]
        ground, placed = self._ground(rng, layout.shape, wanted)
        levels = ground.picture.astype(np.float32)
        others = self._blend_clean_piece(rng, levels, ground)
        masks: dict[int, Mask] = {}
        taken = np.zeros(layout.shape, dtype=bool)
        for one in placed:
            _blend(levels, one, ground.steel & ~taken)
            _add_masks(masks, layout.shape, one)
            taken |= _covered(layout.shape, one)
        return Composite(
            picture=_with_gamma(rng, to_gray(levels)),
            masks=masks,
            ground=ground.name,
            group=ground.group,
            donors=tuple(name for one in placed for name in one.donor.names),
            others=others,
            without_place=len(wanted) - len(placed),
        )

    def _ground(
        self, rng: np.random.Generator, shape: Shape, wanted: list[tuple[Donor, Region]]
    ) -> tuple[Ground, list[_Placed]]:
        """Return the first ground on which all defects have a place, or the one with the most.

        Its surface is like that of the largest defect's picture.
        """
        best: tuple[Ground, list[_Placed]] | None = None
        like = next((one.surface for one, _ in wanted), None)
        for _ in range(_GROUNDS):
            ground = self.textures.draw(rng, shape, like)
            placed = _place_all(rng, ground.steel, wanted)
            if best is None or len(placed) > len(best[1]):
                best = ground, placed
            if len(placed) == len(wanted):
                break
        assert best is not None  # noqa: S101 - the loop ran
        return best

    def _blend_clean_piece(
        self, rng: np.random.Generator, levels: Plane, ground: Ground
    ) -> tuple[str, ...]:
        """Blend a clean piece, in the form of a defect, into the steel of some pictures.

        It has no mask. So a model cannot learn that whatever was blended is a defect.
        """
        defective = self.deck.defective
        drawn = not isinstance(self.textures, PictureTextures)
        if drawn or not defective or rng.random() >= _CLEAN_PIECES:
            return ()
        regions = defective[int(rng.integers(len(defective)))].regions()
        form = regions[int(rng.integers(len(regions)))].mask
        mask = np.pad(form, margin_of(levels.shape[0]))
        if any(part > whole for part, whole in zip(mask.shape, levels.shape, strict=True)):
            return ()
        height, width = levels.shape
        like = surface_of(ground.picture, ground.steel)
        other = self.textures.draw(rng, (height, width), like)
        top, left = (
            int(rng.integers(whole - part + 1))
            for whole, part in zip(levels.shape, mask.shape, strict=True)
        )
        excess, cover = clean_piece(other.picture, other.steel, mask, top, left)
        anywhere = (float(rng.random()), float(rng.random()))
        nothing = np.zeros(levels.shape, dtype=bool)
        place = find_place(rng, mask, Free(ground.steel, nothing), anywhere, frozenset())
        if place is None:
            return ()
        _clone_into(levels, Piece(excess, cover), place, ground.steel)
        return (other.name,)


def _place_all(
    rng: np.random.Generator, steel: Mask, wanted: list[tuple[Donor, Region]]
) -> list[_Placed]:
    taken, placed = np.zeros(steel.shape, dtype=bool), []
    for donor, region in wanted:
        mask = donor.mask
        small = mask[_tight(mask)]
        if any(part > whole for part, whole in zip(small.shape, steel.shape, strict=True)):
            continue
        place = find_place(rng, small, Free(steel, taken), region.centre, donor.edges)
        if place is not None:
            placed.append(_Placed(donor, *place))
            taken |= _covered(steel.shape, placed[-1])
    return placed


def _blend(levels: Plane, one: _Placed, trusted: Mask) -> None:
    """Blend a donor into a picture, in place."""
    box, part = _boxes(levels.shape, one)
    piece = Piece(one.donor.excess[part], one.donor.cover[part])
    if one.donor.blend is Blend.SHADE:
        levels[box] = shade(levels[box], piece)
    else:
        _clone_into(levels, piece, (box[0].start, box[1].start), trusted)


def _clone_into(levels: Plane, piece: Piece, place: tuple[int, int], trusted: Mask) -> None:
    """Clone a piece into a picture, in place; its membrane rests on the steel around the piece."""
    pad = _AROUND * margin_of(levels.shape[0])
    sides = list(zip(place, piece.cover.shape, levels.shape, strict=True))
    wide = tuple(
        slice(max(0, first - pad), min(room, first + size + pad)) for first, size, room in sides
    )
    padding = [
        (first - whole.start, whole.stop - first - size)
        for (first, size, _), whole in zip(sides, wide, strict=True)
    ]
    padded = Piece(np.pad(piece.excess, padding), np.pad(piece.cover, padding))
    levels[wide] = clone(levels[wide], padded, trusted[wide])


def _add_masks(masks: dict[int, Mask], shape: Shape, one: _Placed) -> None:
    """Add the masks of a donor to those of the picture."""
    box, part = _boxes(shape, one)
    for class_id, mask in one.donor.masks.items():
        if mask[part].any():
            masks.setdefault(class_id, np.zeros(shape, dtype=bool))[box] |= mask[part]


def _covered(shape: tuple[int, ...], one: _Placed) -> Mask:
    """Return the pixels that a donor changes, bool (height, width)."""
    box, part = _boxes(shape, one)
    covered = np.zeros(shape, dtype=bool)
    covered[box] = one.donor.cover[part] > 0
    return covered


def _boxes(shape: tuple[int, ...], one: _Placed) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where a donor lies in the picture, and which part of the donor lies there."""
    inner = _tight(one.donor.mask)
    box, part = [], []
    for first, tight, size, room in zip(
        (one.top, one.left), inner, one.donor.cover.shape, shape, strict=True
    ):
        begin = first - tight.start
        low, high = max(0, begin), min(room, begin + size)
        box.append(slice(low, high))
        part.append(slice(low - begin, high - begin))
    return tuple(box), tuple(part)


def _tight(mask: Mask) -> tuple[slice, slice]:
    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(mask).astype(np.uint8))
    return slice(top, top + height), slice(left, left + width)


def _with_gamma(rng: np.random.Generator, picture: Gray) -> Gray:
    """Brighten or darken a whole picture a little, as another exposure would."""
    exponent = np.exp(rng.uniform(-1, 1) * np.log(_MOST_GAMMA))
    values = 255.0 * (np.arange(256) / 255.0) ** exponent
    return np.asarray(np.rint(values).astype(np.uint8)[picture], dtype=np.uint8)
