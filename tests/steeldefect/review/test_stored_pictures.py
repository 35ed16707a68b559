"""Pictures are read again from their archive; a store that is down is not asked forever."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.samples import plain_picture, save

from steeldefect.errors import StoreError, StoreUnavailableError
from steeldefect.review.stored_pictures import StoredPictures
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Fetched, FetchLimits, S3Settings, open_store


@pytest.fixture
def nobody() -> Iterator[str]:
    """The address of a port at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_pixels_and_version_are_those_of_the_file(tmp_path: Path) -> None:
    path = save(plain_picture(1), tmp_path / "line 1/a.png")
    pictures = StoredPictures(ScoreSettings())
    read = pictures.read(str(tmp_path), "line 1/a.png")
    assert np.array_equal(read.pixels, plain_picture(1))
    save(plain_picture(2)[:10], path)
    assert pictures.read(str(tmp_path), "line 1/a.png").etag != read.etag


def test_a_store_without_an_answer_is_left_alone(nobody: str, tmp_path: Path) -> None:
    s3 = S3Settings(endpoint_url=nobody, region="us-east-1", max_attempts=1)
    pictures = StoredPictures(ScoreSettings(s3=s3, max_store_failures=2))
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match=r"a\.png"):
            pictures.read("s3://plant/archive", "a.png")
    with pytest.raises(StoreUnavailableError, match="has not answered 2 times in a row"):
        pictures.read("s3://plant/archive", "b.png")
    save(plain_picture(), tmp_path / "a.png")
    assert pictures.read(str(tmp_path), "a.png").pixels.size > 0


class _EverySecond:
    """A store that answers every second request."""

    def __init__(self, folder: Path) -> None:
        self._inner = open_store(str(folder))
        self._requests = 0

    def fetch(self, key: str, limits: FetchLimits) -> Fetched:
        self._requests += 1
        if self._requests % 2:
            raise StoreUnavailableError(f"{key}: no answer")
        return self._inner.fetch(key, limits)


def test_only_failures_in_a_row_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(plain_picture(), tmp_path / "a.png")
    flaky = _EverySecond(tmp_path)
    monkeypatch.setattr("steeldefect.review.stored_pictures.open_store", lambda *_: flaky)
    pictures = StoredPictures(ScoreSettings(max_store_failures=2))
    for _ in range(3):
        with pytest.raises(StoreUnavailableError, match=r"a\.png: no answer"):
            pictures.read("/archive", "a.png")
        assert pictures.read("/archive", "a.png").pixels.size > 0


def test_missing_pictures_do_not_close_a_store(tmp_path: Path) -> None:
    pictures = StoredPictures(ScoreSettings(max_store_failures=1))
    for _ in range(3):
        with pytest.raises(StoreError, match=r"gone\.png: No such file"):
            pictures.read(str(tmp_path), "gone.png")
    save(plain_picture(), tmp_path / "a.png")
    assert pictures.read(str(tmp_path), "a.png").pixels.size > 0
