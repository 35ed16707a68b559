"""Decode JPEG within TIFF: each strip or tile is a JPEG stream, checked like a JPEG file.

Source: Adobe's TIFF Technical Note 2. The streams share tables (tag 347). Their colour space is
stated by tag 262, not by their own markers. An Adobe marker that states it is therefore inserted
into each stream.
"""

from __future__ import annotations

import numpy as np

from steeldefect.pictures.formats import jpeg
from steeldefect.pictures.formats.jpeg_structure import (
    Structure,
    check_frame,
    check_work,
    read_structure,
    segments_of,
    without_metadata,
)
from steeldefect.pictures.formats.limits import DecodeLimits, damaged, too_costly
from steeldefect.pictures.formats.tiff_directory import Directory
from steeldefect.pictures.formats.tiff_pieces import Pieces
from steeldefect.pictures.formats.tiff_tags import Photometric, Tag
from steeldefect.pictures.preprocessing import Gray

_START = b"\xff\xd8"
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"  # one more byte follows: the colour space
_LONGEST_TABLES = 65_536
"""Largest size in bytes. Four quantization tables and eight Huffman tables take less than 3,000."""
_RGB, _YCBCR = b"\0", b"\1"


def decode_pieces(
    directory: Directory, pieces: Pieces, photometric: Photometric, limits: DecodeLimits
) -> Gray:
    """Decode all strips or tiles, and put them together.

    Args:
        directory: tags of the page.
        pieces: strips or tiles of the page, already checked.
        photometric: gray, RGB or YCbCr.
        limits: largest size and work.

    Returns:
        uint8 (height, width).

    Raises:
        DecodeError: a stream is damaged, differs from its tags in size or kind, or is too costly to
            decode.
    """
    colours = 3 if photometric in (Photometric.RGB, Photometric.YCBCR) else 1
    head = _START + _tables(directory) + (b"" if colours == 1 else _ADOBE + _space(photometric))
    streams = [(piece, head + _bare(bytes(piece.data))) for piece in pieces.read(directory.data)]
    structures = [read_structure(stream) for _, stream in streams]
    for structure, (piece, _) in zip(structures, streams, strict=True):
        check_frame(structure.frame, limits)
        _check_size(structure, colours, pieces.width, pieces.rows_at(piece.row))
    check_work(structures, limits)
    picture = np.empty((pieces.page_height, pieces.page_width), np.uint8)
    for structure, (piece, stream) in zip(structures, streams, strict=True):
        place = picture[piece.row :, piece.column :][: pieces.height, : pieces.width]
        place[:] = jpeg.decode_stream(stream, structure.frame)[: len(place), : place.shape[1]]
    return 255 - picture if photometric == Photometric.WHITE_IS_ZERO else picture


def _tables(directory: Directory) -> bytes:
    if Tag.JPEG_TABLES not in directory.entries:
        return b""
    tables = directory.values(Tag.JPEG_TABLES).astype(np.uint8).tobytes()
    bare = _bare(tables)[: -len(b"\xff\xd9")]
    if len(bare) > _LONGEST_TABLES:  # each strip is decoded with a copy of them
        raise too_costly(f"its JPEG tables have {len(bare)} bytes", f"{_LONGEST_TABLES}")
    return bare


def _bare(stream: bytes) -> bytes:
    """Return a stream without its start-of-image marker and without metadata."""
    if not stream.startswith(_START):
        raise damaged("a TIFF strip or tile that is not a JPEG stream")
    return without_metadata(stream, segments_of(stream))


def _space(photometric: Photometric) -> bytes:
    return _RGB if photometric == Photometric.RGB else _YCBCR


def _check_size(structure: Structure, colours: int, width: int, height: int) -> None:
    frame = structure.frame
    if (frame.width, frame.components) != (width, colours) or frame.height < height:
        raise damaged(
            f"a JPEG stream of {frame.width}x{frame.height} pixels and {frame.components} "
            f"channels; its TIFF tags say {width}x{height} and {colours}"
        )
