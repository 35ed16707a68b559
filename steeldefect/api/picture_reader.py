"""Read the pixels of a picture, from a path, an address, bytes or an array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from steeldefect.addresses import split_file
from steeldefect.errors import DecodeError, FetchUnavailableError, StoreError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.pictures.preprocessing import Gray
from steeldefect.settings import ScoreSettings
from steeldefect.stores import FetchLimits, Store, open_store

Picture = str | Path | bytes | bytearray | memoryview | npt.NDArray[np.uint8]
"""A path or s3:// address, bytes of a file, or pixels: uint8 (H, W) or RGB uint8 (H, W, 3)."""


class PictureReader:
    """Reader and decoder of pictures, with the limits of the settings."""

    def __init__(self, settings: ScoreSettings) -> None:
        """Take the limits of a picture and the settings of S3."""
        self._s3 = settings.s3
        self._limits = DecodeLimits(settings.max_picture_pixels)
        self._fetch_limits = FetchLimits(settings.max_picture_bytes, settings.fetch_seconds)
        self._stores: dict[str, Store] = {}  # by folder or prefix: each store has a client

    def read(self, picture: Picture) -> Gray:
        """Return the pixels of a picture, uint8 (height, width).

        Raises:
            PictureError: the picture cannot be read or decoded.
            SettingsError: the address has a scheme that is not supported.
            TypeError: the argument has none of the types of `Picture`.
        """
        if isinstance(picture, np.ndarray):
            return _gray(picture, self._limits)
        if isinstance(picture, str | Path):
            return decode_gray(self._fetch(str(picture)), self._limits)
        if isinstance(picture, bytes | bytearray | memoryview):
            return decode_gray(bytes(picture), self._limits)
        raise TypeError(
            f"a picture is a path, bytes or a uint8 array; received {type(picture).__name__}"
        )

    def _fetch(self, address: str) -> bytes:
        folder, name = split_file(address)
        if folder not in self._stores:
            self._stores[folder] = open_store(folder, self._s3)
        try:
            return self._stores[folder].fetch(name, self._fetch_limits).data
        except StoreError as error:
            raise FetchUnavailableError(str(error)) from None


def _gray(pixels: npt.NDArray[np.generic], limits: DecodeLimits) -> Gray:
    """Return the caller's pixels as gray; RGB becomes luminance, as in the decoders.

    Raises:
        DecodeError: the array is not uint8 (H, W) or (H, W, 3), or has too many pixels.
    """
    colour = pixels.ndim == 3 and pixels.shape[2] == 3
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or colour) or pixels.size == 0:
        raise DecodeError(
            "pixels are uint8 (height, width), or RGB (height, width, 3); received "
            f"{pixels.dtype} {pixels.shape}"
        )
    limits.check(width=pixels.shape[1], height=pixels.shape[0])
    if colour:
        return np.asarray(Image.fromarray(pixels).convert("L"))
    return np.ascontiguousarray(pixels, dtype=np.uint8)
