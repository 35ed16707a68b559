"""Where a TIFF page's strips or tiles are: as many as its size needs, all of them in the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steeldefect.pictures.formats.limits import DecodeLimits, damaged, too_costly
from steeldefect.pictures.formats.tiff_directory import Directory
from steeldefect.pictures.formats.tiff_tags import Tag

MAX_PIECES = 65_536

_HEADER = 8  # bytes


class Piece(NamedTuple):
    """One strip or tile: its bytes, its plane, and its first row and column in the picture."""

    data: memoryview
    plane: int
    row: int
    column: int


@dataclass(frozen=True)
class Pieces:
    """A page's strips or tiles, by rows; one plane after another where planes are separate.

    Attributes:
        width, height: of each, in pixels; the last ones reach beyond the picture's edges.
        tiled: whether they are tiles, which are stored whole, and not strips, which end with the
            picture.
    """

    page_width: int
    page_height: int
    width: int
    height: int
    tiled: bool
    offsets: npt.NDArray[np.int64]
    byte_counts: npt.NDArray[np.int64]

    @property
    def across(self) -> int:
        """Return how many stand side by side."""
        return -(-self.page_width // self.width)

    @property
    def down(self) -> int:
        """Return how many stand below each other."""
        return -(-self.page_height // self.height)

    def tags(self) -> dict[int, npt.NDArray[np.int64]]:
        """Return what a decoder must know of them.

        A strip may claim more rows than the page has; here it has no more.
        """
        numbers = {Tag.WIDTH: self.page_width, Tag.HEIGHT: self.page_height}
        if self.tiled:
            numbers |= {Tag.TILE_WIDTH: self.width, Tag.TILE_HEIGHT: self.height}
            places = Tag.TILE_OFFSETS, Tag.TILE_BYTE_COUNTS
        else:
            numbers |= {Tag.ROWS_PER_STRIP: self.height}
            places = Tag.STRIP_OFFSETS, Tag.STRIP_BYTE_COUNTS
        tags: dict[int, npt.NDArray[np.int64]] = dict(
            zip(places, (self.offsets, self.byte_counts), strict=True)
        )
        return tags | {tag: np.asarray([number], np.int64) for tag, number in numbers.items()}

    def check(self, planes: int, file_size: int, limits: DecodeLimits) -> None:
        """Check that the pieces are those that the picture needs, and lie in the file.

        Args:
            planes: that are stored separately; 1 where a pixel's samples lie together.
            file_size: in bytes.
            limits: of size.

        Raises:
            DecodeError: too many or too large pieces, a wrong number of them, beyond the file's
                end, or more bytes in all than the file has.
        """
        needed = self.across * self.down * planes
        if needed > MAX_PIECES:
            raise too_costly(f"{needed} TIFF strips or tiles", f"{MAX_PIECES}")
        padded = self.across * self.width * self.down * self.height
        if padded > limits.padded_pixels:
            raise too_costly(
                f"its TIFF tiles cover {padded} pixels in all", f"{limits.padded_pixels}"
            )
        if len(self.offsets) != needed or len(self.byte_counts) != needed:
            raise damaged(
                f"{len(self.offsets)} offsets and {len(self.byte_counts)} byte counts of TIFF "
                f"strips or tiles, {needed} needed"
            )
        if int(self.offsets.min()) < _HEADER:
            raise damaged("a TIFF strip or tile begins within the file's header")
        if int((self.offsets + self.byte_counts).max()) > file_size:
            raise damaged("a TIFF strip or tile ends beyond the file's end")
        if int(self.byte_counts.sum()) > file_size:
            raise damaged("TIFF strips or tiles overlap")

    def check_uncompressed(self, samples: int) -> None:
        """Check that each piece has the bytes of its pixels.

        Args:
            samples: bytes of a pixel within one piece.

        Raises:
            DecodeError: a piece is too short.
        """
        rows = np.asarray([self.rows_at(number * self.height) for number in range(self.down)])
        needed = np.repeat(rows * self.width * samples, self.across)
        if (self.byte_counts.reshape(-1, len(needed)) < needed).any():
            raise damaged("a TIFF strip or tile is shorter than its pixels")

    def rows_at(self, row: int) -> int:
        """Return the rows of a strip or tile that begins at this row."""
        return self.height if self.tiled else min(self.height, self.page_height - row)

    def read(self, data: bytes) -> Iterator[Piece]:
        """Yield the pieces, by planes and rows."""
        view = memoryview(data)
        places = zip(self.offsets.tolist(), self.byte_counts.tolist(), strict=True)
        for number, (offset, size) in enumerate(places):
            plane, place = divmod(number, self.across * self.down)
            down, across = divmod(place, self.across)
            found = view[offset : offset + size]
            yield Piece(found, plane, down * self.height, across * self.width)


def read_pieces(directory: Directory, width: int, height: int) -> Pieces:
    """Read where the strips or tiles are.

    Args:
        directory: of the page.
        width: of the page, in pixels.
        height: of the page, in pixels.

    Raises:
        DecodeError: tags are missing, or no number of pixels.
    """
    tiled = Tag.TILE_WIDTH in directory.entries or Tag.TILE_OFFSETS in directory.entries
    if tiled:
        piece = directory.number(Tag.TILE_WIDTH), directory.number(Tag.TILE_HEIGHT)
        places = Tag.TILE_OFFSETS, Tag.TILE_BYTE_COUNTS
    else:
        piece = width, min(directory.number(Tag.ROWS_PER_STRIP, height), height)
        places = Tag.STRIP_OFFSETS, Tag.STRIP_BYTE_COUNTS
    if min(piece) <= 0:
        raise damaged(f"TIFF strips or tiles of {piece[0]}x{piece[1]} pixels")
    offsets, byte_counts = (directory.values(tag) for tag in places)
    return Pieces(width, height, *piece, tiled, offsets, byte_counts)
