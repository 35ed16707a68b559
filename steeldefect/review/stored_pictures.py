"""Read pictures of an archive again, by the source and key that the tables state."""

from __future__ import annotations

from dataclasses import dataclass

from steeldefect.errors import StoreUnavailableError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.pictures.preprocessing import Gray
from steeldefect.settings import ScoreSettings
from steeldefect.stores import FetchLimits, Store, open_store


@dataclass(frozen=True)
class StoredPicture:
    """A picture as it is in the archive now.

    Attributes:
        data: bytes of its file.
        pixels: uint8 (height, width).
        etag: version of its bytes; empty if the store states none.
    """

    data: bytes
    pixels: Gray
    etag: str


class StoredPictures:
    """Reader of pictures, with the limits of the settings. Several threads may use it.

    When `max_store_failures` pictures of a source in a row had no answer from the store, it is not
    asked any more.
    """

    def __init__(self, settings: ScoreSettings) -> None:
        """Take the limits of a picture and the settings of S3."""
        self._s3 = settings.s3
        self._limits = DecodeLimits(settings.max_picture_pixels)
        self._fetch_limits = FetchLimits(settings.max_picture_bytes, settings.fetch_seconds)
        self._most_failures = settings.max_store_failures
        self._stores: dict[str, Store] = {}
        self._failures: dict[str, int] = {}  # in a row, by source

    def read(self, source: str, key: str) -> StoredPicture:
        """Read and decode a picture.

        Raises:
            StoreError: the picture is gone, or the store refuses it.
            StoreUnavailableError: the store does not answer.
            PictureError: the bytes are too many, or are not a picture.
            SettingsError: the source is no address that this host can open.
        """
        if self._failures.get(source, 0) >= self._most_failures:
            raise StoreUnavailableError(
                f"{source} has not answered {self._most_failures} times in a row"
            )
        if source not in self._stores:
            self._stores[source] = open_store(source, self._s3)
        try:
            fetched = self._stores[source].fetch(key, self._fetch_limits)
        except StoreUnavailableError:
            self._failures[source] = self._failures.get(source, 0) + 1
            raise
        self._failures[source] = 0
        pixels = decode_gray(fetched.data, self._limits)
        return StoredPicture(fetched.data, pixels, fetched.etag)
