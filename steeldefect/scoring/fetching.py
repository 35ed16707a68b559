"""Fetch pictures, and decide whether a failure is final or transient.

A failure is final only if the picture's bytes cause it, and these bytes are proven to be the ones
in the archive. All other failures (the store, the network, this host's memory, a model) are
transient: the picture is tried again.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, replace

from steeldefect.errors import (
    FetchError,
    FetchUnavailableError,
    HostError,
    PictureError,
    SourceDownError,
    StoreError,
    StoreUnavailableError,
    Transient,
    UnprovenError,
)
from steeldefect.stores import Fetched, FetchLimits, Store


@dataclass(frozen=True)
class PictureKey:
    """One picture: as planned, or as read.

    Attributes:
        key: path below the input.
        etag: version of the picture's bytes; empty if an inventory does not state it.
        size: size in bytes; 0 if an inventory does not state it.
        tries: number of earlier runs in which this version has failed.
        place: what an inventory states about its place, as JSON; see `strip.stated_place`.
        shadow_tries: number of earlier runs in which it has failed with the shadow bundle; None if
            the shadow does not score it.
    """

    key: str
    etag: str
    size: int
    tries: int = 0
    place: str | None = None
    shadow_tries: int | None = None

    def as_read(self, fetched: Fetched) -> PictureKey:
        """Return the picture with the version and size of the bytes that were read.

        If the listed ETag is the MD5 of these bytes, it stays, even if the store's response had
        another ETag.
        """
        etag = fetched.etag or self.etag
        if etag == self.etag and len(fetched.data) == self.size:
            return self
        if self.etag and etag != self.etag and _md5(fetched.data) == self.etag.lower():
            etag = self.etag
        return replace(self, etag=etag, size=len(fetched.data))

    @property
    def for_shadow(self) -> PictureKey | None:
        """The picture as the shadow's rows name it; None if the shadow does not score it."""
        return None if self.shadow_tries is None else replace(self, tries=self.shadow_tries)


class Breaker:
    """Circuit breaker for one source: it opens when many pictures in a row cannot be read.

    Then the store is down, not a picture at fault. A worker process has one breaker for each
    source and keeps it for later tasks. Once open, one more failure opens it again, until a picture
    is read. It is safe for threads.
    """

    def __init__(self, limit: int) -> None:
        """Set the number of pictures in a row whose failure opens the breaker."""
        self._limit = limit
        self._failures = 0
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        """Count a picture that was read."""
        with self._lock:
            self._failures = 0

    def failed(self, source: str, error: StoreUnavailableError) -> None:
        """Count a picture for which the store did not answer.

        Raises:
            SourceDownError: too many pictures in a row have failed.
        """
        with self._lock:
            self._failures += 1
            count = self._failures
            if count >= self._limit:
                self._failures = self._limit - 1
        if count >= self._limit:
            raise SourceDownError(
                f"{self._limit} pictures in a row could not be read from {source}, the last one: "
                f"{error}; no picture is given up; start again when the store answers"
            )


class Fetcher:
    """Reader of pictures from one store."""

    def __init__(self, source: Store, limits: FetchLimits, breaker: Breaker) -> None:
        """Set the store, the limits for one picture, and the store's breaker."""
        self._source = source
        self._limits = limits
        self._breaker = breaker

    def fetch(self, key: PictureKey) -> Fetched:
        """Read a picture.

        Raises:
            FetchError: the picture is larger than the limit. If the listed size already is, no
                request is sent.
            FetchUnavailableError: the store refused the request, or does not answer.
            SourceDownError: the store has not answered for many pictures in a row, not counting
                those that had failed in earlier runs.
        """
        if key.size > self._limits.max_bytes:
            raise FetchError(
                f"too large: {key.size} bytes, at most {self._limits.max_bytes} are read"
            )
        try:
            fetched = self._source.fetch(key.key, self._limits)
        except StoreUnavailableError as error:
            if key.tries == 0:  # a picture that failed before may be the cause, not the store
                self._breaker.failed(self._source.uri, error)
            raise FetchUnavailableError(str(error)) from None
        except StoreError as error:  # not the picture's fault, even if it is gone: try again
            raise FetchUnavailableError(str(error)) from None
        self._breaker.succeeded()
        return fetched

    def classify(self, key: PictureKey, fetched: Fetched | None, error: Exception) -> PictureError:
        """Return the error to record for a failed picture: final or transient.

        Args:
            key: the picture as planned.
            fetched: the bytes that were read; None if there are none.
            error: error that the picture failed with.

        Returns:
            `error` itself, if it is transient, or if the picture's bytes cause it and are proven;
            else a transient error with the message of `error`.
        """
        if not isinstance(error, PictureError):
            return HostError(f"{type(error).__name__}: {error}" if str(error) else repr(error))
        if isinstance(error, Transient) or fetched is None:
            return error
        if self._is_proven(key, fetched):
            return error
        return UnprovenError(
            f"{error}; but the bytes are not proven to be those in the archive (the store sent "
            "another version than it listed, or sent other bytes for a second request)"
        )

    def _is_proven(self, key: PictureKey, fetched: Fetched) -> bool:
        """Return whether bytes are proven to be those in the archive.

        They are if the store states an MD5 and the bytes have it. Otherwise the response must have
        an ETag, equal to the listed one if one was listed, and a second request must return the
        same bytes. Bytes of the listed version must also have the listed size. Bytes that look like
        a page of a proxy are not proven by a second request if no ETag was listed.
        """
        same_version = key.etag in ("", fetched.etag)
        if same_version and key.size not in (0, len(fetched.data)):
            return False
        if fetched.md5 is not None and _md5(fetched.data) == fetched.md5:
            return True
        if not fetched.etag or not same_version:
            return False
        if not key.etag and _looks_like_a_page(fetched.data):
            return False
        try:
            return self._source.fetch(key.key, self._limits) == fetched
        except (StoreError, FetchError):
            return False


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _looks_like_a_page(data: bytes) -> bool:
    """Return whether bytes begin like HTML or XML, which a proxy may send instead of a picture."""
    return data.lstrip()[:1] == b"<"
