"""Find the strips or tiles of a TIFF page, and check their number, sizes and places in the file."""

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
    """The strips or tiles of a page, row by row; separate planes follow one after another.

    Attributes:
        page_width, page_height: size of the page in pixels.
        width, height: size of one strip or tile in pixels; the last ones may reach beyond the
            picture's edges.
        tiled: true for tiles, which are stored whole; false for strips, which end with the picture.
        offsets, byte_counts: place of each strip or tile in the file, in bytes.
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
        """Return the number of strips or tiles side by side."""
        return -(-self.page_width // self.width)

    @property
    def down(self) -> int:
        """Return the number of strips or tiles below each other."""
        return -(-self.page_height // self.height)

    def tags(self) -> dict[int, npt.NDArray[np.int64]]:
        """Return the tags that describe the strips or tiles to a decoder.

        A file may state more rows for a strip than the page has; these tags never do.
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
        """Check that there are as many pieces as the picture needs, and that they lie in the file.

        Args:
            planes: number of planes stored separately; 1 if a pixel's samples lie together.
            file_size: size of the file in bytes.
            limits: largest size that is decoded.

        Raises:
            DecodeError: there are too many pieces or a wrong number of them, they are too large, or
                a piece lies outside the file; or they have more bytes in all than the file.
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
        """Check that each piece has enough bytes for its pixels.

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
        """Return the number of rows of a strip or tile that begins at `row`."""
        return self.height if self.tiled else min(self.height, self.page_height - row)

    def read(self, data: bytes) -> Iterator[Piece]:
        """Yield the pieces, plane by plane and row by row."""
        view = memoryview(data)
        places = zip(self.offsets.tolist(), self.byte_counts.tolist(), strict=True)
        for number, (offset, size) in enumerate(places):
            plane, place = divmod(number, self.across * self.down)
            down, across = divmod(place, self.across)
            found = view[offset : offset + size]
            yield Piece(found, plane, down * self.height, across * self.width)


def read_pieces(directory: Directory, width: int, height: int) -> Pieces:
    """Read the sizes and places of a page's strips or tiles from its tags.

    Args:
        directory: tags of the page.
        width: width of the page in pixels.
        height: height of the page in pixels.

    Raises:
        DecodeError: a tag is missing or malformed, or a size is below 1 pixel.
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
