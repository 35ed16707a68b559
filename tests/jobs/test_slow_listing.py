"""A listing that takes long, or breaks off: the first pictures are scored before it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.archives import rows
from support.samples import fill_archive, score_arguments
from support.short_runs import score_without_spark

from steeldefect.bundle.files import Bundle
from steeldefect.errors import StoreUnavailableError
from steeldefect.stores.base import ObjectInfo
from steeldefect.stores.local import LocalStore
from steeldefect.tables.schema import TableName

PICTURES, FIRST = 12, 8
WAVES = ("--set", "wave_pictures=2")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return fill_archive(tmp_path / "archive", PICTURES)


@pytest.fixture
def listed_slowly(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[], None]], None]:
    """Let a function be called when the listing of the archive has come to its ninth picture."""
    monkeypatch.setattr("steeldefect.plan.listing._CHUNK", FIRST // 2)
    monkeypatch.setattr("steeldefect.run.PATIENCE", 0.0)
    scan = LocalStore.scan

    def listed(then: Callable[[], None]) -> None:
        def scanning(store: LocalStore, *rest: Any, **more: Any) -> Iterator[ObjectInfo]:
            for number, found in enumerate(scan(store, *rest, **more)):
                if store.uri == str(archive) and number == FIRST:
                    then()
                yield found

        monkeypatch.setattr(LocalStore, "scan", scanning)

    return listed


def scored(output: Path) -> list[str]:
    return [row["key"] for row in rows(output, TableName.IMAGES)]


def wait_for_pictures(output: Path) -> None:
    deadline = time.monotonic() + 60
    while not (output / "images").exists() or not scored(output):
        assert time.monotonic() < deadline, "nothing is scored while the listing goes on"
        time.sleep(0.1)


def test_the_first_pictures_are_published_before_the_listing_ends(
    archive: Path,
    rule_bundle: Bundle,
    tmp_path: Path,
    listed_slowly: Callable[[Callable[[], None]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    listed_slowly(lambda: wait_for_pictures(output))
    assert score_without_spark([*score_arguments(archive, rule_bundle.folder, output), *WAVES]) == 0
    said = capsys.readouterr()
    assert "to score so far, while the listing goes on" in said.err
    assert f"{PICTURES} pictures under {archive}, 0 of them dealt with" in said.err
    assert f"{PICTURES} to score in {PICTURES // 2} waves" in said.err
    assert f"scored {PICTURES} pictures" in said.out
    assert len(set(scored(output))) == len(scored(output)) == PICTURES
    (run,) = rows(output, TableName.RUNS)
    assert (run["planned"], run["skipped"], run["waves"]) == (PICTURES, 0, PICTURES // 2)


def test_a_listing_that_breaks_off_leaves_what_was_scored(
    archive: Path,
    rule_bundle: Bundle,
    tmp_path: Path,
    listed_slowly: Callable[[Callable[[], None]], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    arguments = [*score_arguments(archive, rule_bundle.folder, output), *WAVES]

    def break_off() -> None:
        wait_for_pictures(output)
        raise StoreUnavailableError("the store does not answer")

    listed_slowly(break_off)
    assert score_without_spark(arguments) == 4
    assert "the store does not answer" in capsys.readouterr().err
    before = scored(output)
    assert 0 < len(before) <= FIRST
    (run,) = rows(output, TableName.RUNS)
    assert (run["outcome"], run["error"]) == ("failed", "the store does not answer")
    assert (run["planned"], run["scored"]) == (FIRST, len(before))
    monkeypatch.undo()
    assert score_without_spark(arguments) == 0
    assert sorted(scored(output)) == [f"p{number:03d}.png" for number in range(PICTURES)]
