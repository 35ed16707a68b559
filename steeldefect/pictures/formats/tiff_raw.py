"""Decode uncompressed TIFF: copy the samples from the file to their places in the picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

from steeldefect.pictures.formats.tiff_pieces import Pieces
from steeldefect.pictures.formats.tiff_tags import Photometric
from steeldefect.pictures.preprocessing import Gray


def decode_pieces(data: bytes, pieces: Pieces, photometric: Photometric, planes: int) -> Gray:
    """Read the samples of all strips or tiles, and convert them to gray.

    Args:
        data: the whole file.
        pieces: strips or tiles, already checked; each has enough bytes for its pixels.
        photometric: gray or RGB.
        planes: 3 if each colour has separate strips or tiles, else 1.

    Returns:
        uint8 (height, width).
    """
    samples = 3 if photometric == Photometric.RGB else 1
    depth = samples // planes
    picture = np.empty((pieces.page_height, pieces.page_width, samples), np.uint8)
    for piece in pieces.read(data):
        rows = pieces.rows_at(piece.row)
        block = np.frombuffer(piece.data, np.uint8, rows * pieces.width * depth)
        colours = picture[:, :, piece.plane * depth : (piece.plane + 1) * depth]
        place = colours[piece.row : piece.row + rows, piece.column : piece.column + pieces.width]
        block = block.reshape(rows, pieces.width, depth)
        place[:] = block[: place.shape[0], : place.shape[1]]
    if photometric == Photometric.RGB:
        return np.asarray(Image.fromarray(picture).convert("L"))
    gray = picture.reshape(pieces.page_height, pieces.page_width)
    return 255 - gray if photometric == Photometric.WHITE_IS_ZERO else gray
