"""A failure is final only if the picture's own bytes cause it and are proven."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from typing import Any

import pytest

from steeldefect.errors import (
    DecodeError,
    FetchError,
    FetchUnavailableError,
    HostError,
    InferenceError,
    PictureSizeError,
    SourceDownError,
    StoreError,
    StoreUnavailableError,
    Transient,
    UnprovenError,
)
from steeldefect.scoring.fetching import Breaker, Fetcher, PictureKey
from steeldefect.stores import Fetched, FetchLimits, S3Settings, Store, open_store

LIMITS = FetchLimits(max_bytes=1_000, seconds=5)
DATA = b"no picture"
MD5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()


class Responses:
    """Store that returns its responses in turn; it repeats the last one."""

    uri = "/archive"

    def __init__(self, *responses: Fetched | Exception) -> None:
        self._responses = list(responses)

    def fetch(self, key: str, limits: FetchLimits) -> Fetched:
        del key, limits
        response = self._responses.pop(0) if len(self._responses) > 1 else self._responses[0]
        if isinstance(response, Exception):
            raise response
        return response


def fetcher(*responses: Fetched | Exception, limit: int = 8) -> Fetcher:
    source: Any = Responses(*responses)
    return Fetcher(source, LIMITS, Breaker(limit))


def key(etag: str = "e1", size: int = len(DATA)) -> PictureKey:
    return PictureKey("a.jpg", etag, size)


@pytest.mark.parametrize(
    ("listed", "response", "again", "proven"),
    [
        # the store states the MD5 of the bytes, and it is theirs
        (key(MD5), Fetched(DATA, MD5, MD5), None, True),
        (key("older", 77), Fetched(DATA, MD5, MD5), None, True),  # replaced since it was listed
        (key("", 0), Fetched(DATA, MD5, MD5), None, True),  # an inventory that states neither
        # the MD5 is not that of the bytes, but they are the same once more
        (key(MD5), Fetched(b"different!", MD5, MD5), Fetched(b"different!", MD5, MD5), True),
        (key(MD5), Fetched(b"different!", MD5, MD5), Fetched(DATA, MD5, MD5), False),
        # the ETag is no MD5
        (key("e-2"), Fetched(DATA, "e-2"), Fetched(DATA, "e-2"), True),
        (key("e-2"), Fetched(DATA, "e-2"), Fetched(b"others", "e-2"), False),
        (key("e-2"), Fetched(DATA, "e-2"), StoreUnavailableError("no answer"), False),
        (key("e-1"), Fetched(DATA, "e-2"), Fetched(DATA, "e-2"), False),  # replaced, unprovable
        (key(""), Fetched(DATA, "e-2"), Fetched(DATA, "e-2"), True),
        # shorter, empty, a page of a proxy, no version at all
        (key("e-2", 100), Fetched(DATA, "e-2"), Fetched(DATA, "e-2"), False),
        (key("e-2"), Fetched(b"", "e-2"), Fetched(b"", "e-2"), False),
        (key(MD5, 100), Fetched(DATA, MD5, MD5), None, False),
        (key("", 0), Fetched(b" <html>", "e-2"), Fetched(b" <html>", "e-2"), False),
        (key("e-2"), Fetched(DATA, ""), Fetched(DATA, ""), False),
    ],
)
@pytest.mark.parametrize("error", [DecodeError("corrupt"), PictureSizeError("64x64")])
def test_bytes_are_proven_before_they_are_blamed(
    listed: PictureKey, response: Fetched, again: Any, proven: bool, error: Exception
) -> None:
    classified = fetcher(again or response).classify(listed, response, error)
    if proven:
        assert classified is error
    else:
        assert isinstance(classified, UnprovenError)
        assert str(error) in str(classified)
        assert isinstance(classified, Transient)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        ConnectionResetError(),
        ValueError("a surprise"),
    ],
)
def test_trouble_of_the_host_is_not_the_pictures(error: Exception) -> None:
    classified = fetcher(Fetched(DATA, MD5, MD5)).classify(key(MD5), Fetched(DATA, MD5, MD5), error)
    assert isinstance(classified, HostError)
    assert type(error).__name__ in str(classified)
    assert isinstance(classified, Transient)


def test_what_is_transient_stays_so_and_what_was_never_read_is_judged_by_the_listing() -> None:
    for error in (FetchUnavailableError("gone"), InferenceError("not finite"), FetchError("big")):
        assert fetcher(Fetched(DATA, "e")).classify(key(), None, error) is error


def test_a_picture_that_the_listing_calls_too_large_is_never_asked_for() -> None:
    with pytest.raises(FetchError, match="too large: 1001 bytes, at most 1000 are read"):
        fetcher(AssertionError()).fetch(key(size=1_001))


def test_the_limit_counts_bytes_where_the_listing_states_no_size(any_store: Store) -> None:
    any_store.write("big.jpg", bytes(1_001))
    any_store.write("fits.jpg", bytes(1_000))
    with pytest.raises(FetchError, match="too large: 1001 bytes, at most 1000 are read"):
        Fetcher(any_store, LIMITS, Breaker(8)).fetch(PictureKey("big.jpg", "", 0))
    assert len(any_store.fetch("fits.jpg", LIMITS).data) == 1_000


def test_stores_state_the_version_that_they_gave(any_store: Store) -> None:
    any_store.write("a.jpg", b"first")
    (listed,) = any_store.scan("a.jpg")
    assert any_store.fetch("a.jpg", LIMITS).etag == listed.etag
    any_store.write("a.jpg", b"second, and longer")
    found = any_store.fetch("a.jpg", LIMITS)
    assert found.data == b"second, and longer"
    assert found.etag != listed.etag
    read = PictureKey("a.jpg", listed.etag, listed.size).as_read(found)
    assert (read.etag, read.size) == (found.etag, 18)


def test_s3_states_the_md5_of_what_was_written_whole(s3: S3Settings, s3_address: str) -> None:
    s3_store = open_store(s3_address, s3)
    s3_store.write("a.jpg", DATA)
    assert s3_store.fetch("a.jpg", LIMITS) == Fetched(DATA, MD5, MD5)


def test_what_is_gone_is_unavailable_and_opens_no_breaker(any_store: Store) -> None:
    fetching = Fetcher(any_store, LIMITS, Breaker(2))
    for _ in range(5):
        with pytest.raises(FetchUnavailableError):
            fetching.fetch(key())


def test_the_breaker_opens_after_many_failures_in_a_row_and_at_once_until_a_success() -> None:
    down, sound = StoreUnavailableError("no answer"), Fetched(DATA, "e")
    fetching = fetcher(down, sound, down, down, down, down, sound, down, sound, limit=3)
    seen, told = [], []
    for _ in range(9):
        try:
            fetching.fetch(key())
            seen.append("read")
        except FetchUnavailableError:
            seen.append("failed")
        except SourceDownError as error:
            told.append(str(error))
            seen.append("open")
    assert "3 pictures in a row could not be read from /archive" in told[0]
    assert "no picture is given up" in told[0]
    assert seen == [
        "failed", "read", "failed", "failed", "open", "open", "read", "failed", "read",
    ]  # fmt: skip


def test_the_breaker_counts_for_all_threads() -> None:
    breaker = Breaker(1_000)
    opened: list[SourceDownError] = []

    def fail() -> None:
        for _ in range(250):
            try:
                breaker.failed("/archive", StoreUnavailableError("no answer"))
            except SourceDownError as error:
                opened.append(error)

    threads = [threading.Thread(target=fail) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1


def test_pictures_that_failed_in_earlier_runs_do_not_open_the_breaker() -> None:
    """Many such pictures may follow each other: each one uses up one of its tries."""
    fetching = fetcher(StoreUnavailableError("no answer"), limit=2)
    for _ in range(5):
        with pytest.raises(FetchUnavailableError):
            fetching.fetch(replace(key(), tries=1))
    with pytest.raises(FetchUnavailableError):
        fetching.fetch(key())
    with pytest.raises(SourceDownError):
        fetching.fetch(key())


def test_a_store_that_refuses_is_not_a_store_that_is_down() -> None:
    with pytest.raises(FetchUnavailableError):
        fetcher(StoreError("forbidden"), limit=1).fetch(replace(key(), tries=2))


def test_a_row_carries_the_version_whose_md5_its_bytes_have() -> None:
    """With another ETag from the response, the next run would score the picture again."""
    listed = key(hashlib.md5(DATA, usedforsecurity=False).hexdigest())
    assert listed.as_read(Fetched(DATA, "e2")).etag == listed.etag
    assert listed.as_read(Fetched(DATA + b"more", "e2")).etag == "e2"
    assert key("e1").as_read(Fetched(DATA, "e2")).etag == "e2"
