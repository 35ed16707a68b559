"""Fetches pictures, and decides whose fault a failure is.

A failure is final only where the picture's own bytes show it, and these bytes are proven to be what
the archive holds. Everything else (the store, the network, this host's memory, a model) is trouble
that may pass: the picture is tried again.
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
    """One picture, as planned or, once it was read, as read.

    Attributes:
        key: below the input.
        etag: version of its bytes; empty where an inventory does not say.
        size: in bytes; 0 where an inventory does not say.
        tries: how often this version has failed in earlier runs.
    """

    key: str
    etag: str
    size: int
    tries: int = 0

    def as_read(self, fetched: Fetched) -> PictureKey:
        """Return the picture with the version and size of the bytes that were read.

        The version is the one that was listed where it is the MD5 of these bytes, whatever the
        answer says.
        """
        etag = fetched.etag or self.etag
        if etag != self.etag and _md5(fetched.data) == self.etag.lower():
            etag = self.etag
        return replace(self, etag=etag, size=len(fetched.data))


class Breaker:
    """Notices that the store, not a picture, is the trouble: many failures, and no success between.

    One for each source and worker process, so that later tasks need not learn it again: after it
    has opened, one failure opens it, until a picture is read. Safe for threads.
    """

    def __init__(self, limit: int) -> None:
        """Set how many pictures in a row may fail."""
        self._limit = limit
        self._failures = 0
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        """Note that the store gave a picture."""
        with self._lock:
            self._failures = 0

    def failed(self, source: str, error: StoreUnavailableError) -> None:
        """Note that the store did not answer.

        Raises:
            SourceDownError: too many pictures in a row.
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
    """Reads pictures from one store."""

    def __init__(self, source: Store, limits: FetchLimits, breaker: Breaker) -> None:
        """Join a store with the limits of a picture and the store's breaker."""
        self._source = source
        self._limits = limits
        self._breaker = breaker

    def fetch(self, key: PictureKey) -> Fetched:
        """Read a picture.

        Raises:
            FetchError: it is larger than the limit; by the listing, before it is asked for.
            FetchUnavailableError: the store refused it, or does not answer.
            SourceDownError: the store has not answered for many pictures in a row that had not
                failed in earlier runs.
        """
        if key.size > self._limits.max_bytes:
            raise FetchError(
                f"too large: {key.size} bytes, at most {self._limits.max_bytes} are read"
            )
        try:
            fetched = self._source.fetch(key.key, self._limits)
        except StoreUnavailableError as error:
            if key.tries == 0:  # one that failed before says little of the store
                self._breaker.failed(self._source.uri, error)
            raise FetchUnavailableError(str(error)) from None
        except StoreError as error:  # not the picture's fault, even where it is gone: try again
            raise FetchUnavailableError(str(error)) from None
        self._breaker.succeeded()
        return fetched

    def blame(self, key: PictureKey, fetched: Fetched | None, error: Exception) -> PictureError:
        """Decide whose fault a failure is.

        Args:
            key: as planned.
            fetched: the bytes; None where they could not be read.
            error: what happened.

        Returns:
            The error itself where it is the picture's own and proven, or transient already; else
            a transient error that says what happened.
        """
        if not isinstance(error, PictureError):
            return HostError(f"{type(error).__name__}: {error}" if str(error) else repr(error))
        if isinstance(error, Transient) or fetched is None:
            return error
        if self._is_proven(key, fetched):
            return error
        return UnprovenError(
            f"{error}; but the bytes are not proven to be what the archive holds (the store "
            "answered with another version than it listed, or differently when asked again)"
        )

    def _is_proven(self, key: PictureKey, fetched: Fetched) -> bool:
        """Tell whether bytes are what the archive holds.

        They are where the store states their MD5, and it is theirs. Else the answer must be of the
        version that was listed, and the store must give the same bytes once more.
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
    """Tell whether bytes begin as HTML or XML does, which proxies answer instead of a picture."""
    return data.lstrip()[:1] == b"<"
