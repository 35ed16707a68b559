"""The file of verdicts of a morning page: what it means, and that an altered one writes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.archives import rows
from support.examples import BUNDLE, ORIGIN, finish, origin
from support.reviewing import DENT, NAMES, SCRATCH, Night, found, region, square

from steeldefect.cli import main as steeldefect
from steeldefect.errors import DataError, SettingsError, SteelDefectError
from steeldefect.pictures import run_lengths
from steeldefect.review.page_verdicts import TakenIn, import_verdicts
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store, open_store
from steeldefect.tables.schema import TableName

Stated = dict[str, Any]
FOUND, CLEAN, STOPPED, ARCHIVE = "found.png", "clean.png", "stopped.png", "/archive"


def make_night(store: Store) -> Store:
    """Write a picture with a defect, a clean one, and one on which the audit found a dent."""
    made = Night(Path(ARCHIVE))
    made.with_region(FOUND, 20)
    made.scored(CLEAN)
    made.scored(STOPPED, verdict="gated", gate_probability=0.001, audit_defects=1)
    dent = square(12)
    made.add(TableName.PREDICTIONS, found(STOPPED, dent, class_id=DENT) | {"audit": True})
    made.add(TableName.DEFECTS, region(STOPPED, 1, dent, class_id=DENT) | {"audit": True})
    made.end(store, scored=3, planned=3, defective=1)
    return store


@pytest.fixture
def night(store: Store) -> Store:
    return make_night(store)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The same night, for files that write nothing."""
    return make_night(open_store(str(tmp_path_factory.mktemp("night") / "store")))


def said(key: str, verdict: str = "right", **changes: Any) -> Stated:
    one = {"source": ARCHIVE, "key": key, "etag": "e1", "verdict": verdict}
    return one | {"at": "2026-03-04T08:00:00.000Z"} | changes


def stated(*pictures: Stated, **changes: Any) -> Stated:
    """Return the content of a file as the page's button writes it."""
    file = {"form": "steeldefect verdicts", "version": 1, "output": "/output"}
    file |= {"run": ORIGIN.run_id, "bundle": BUNDLE, "reviewer": "Ada"}
    return file | {"pictures": list(pictures or [said(FOUND)])} | changes


def taken(store: Store, folder: Path, content: Stated, reviewer: str | None = None) -> TakenIn:
    path = folder / "verdicts.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return import_verdicts(store, ScoreSettings(), path, reviewer)


def reviews(store: Store) -> list[tuple[str, int, str, str]]:
    read = rows(store.uri, TableName.REVIEWS)
    return sorted((one["key"], one["class_id"], one["run_lengths"], one["verdict"]) for one in read)


SCRATCHED, DENTED = (run_lengths.to_text(square(size)) for size in (20, 12))


@pytest.mark.parametrize(
    ("key", "verdict", "expected"),
    [
        (FOUND, "right", [(SCRATCH, SCRATCHED, "confirmed"), (DENT, "", "confirmed")]),
        (FOUND, "nothing", [(SCRATCH, "", "corrected"), (DENT, "", "confirmed")]),
        (CLEAN, "right", [(SCRATCH, "", "confirmed"), (DENT, "", "confirmed")]),
        (CLEAN, "nothing", [(SCRATCH, "", "confirmed"), (DENT, "", "confirmed")]),
        # the gate hides the picture, so the bundle found nothing, and the audit is a correction
        (STOPPED, "right", [(SCRATCH, "", "confirmed"), (DENT, DENTED, "corrected")]),
        (STOPPED, "nothing", [(SCRATCH, "", "confirmed"), (DENT, "", "confirmed")]),
    ],
)
def test_a_verdict_is_a_review_of_every_class(
    night: Store, tmp_path: Path, key: str, verdict: str, expected: list[tuple[int, str, str]]
) -> None:
    result = taken(night, tmp_path, stated(said(key, verdict)))
    assert reviews(night) == sorted((key, *one) for one in expected)
    corrected = int(any(one[2] == "corrected" for one in expected))
    assert result == TakenIn(1 - corrected, corrected, (), new=True)
    for row in rows(night.uri, TableName.REVIEWS):
        assert row["class_name"] == NAMES[row["class_id"]]
        assert (row["reviewer"], row["format"], row["scored_run"]) == ("Ada", "page", ORIGIN.run_id)
        assert (row["source"], row["etag"], row["bundle"]) == (ARCHIVE, "e1", BUNDLE)
        assert row["reviewed_at"] == datetime(2026, 3, 4, 8, tzinfo=UTC)
    (run,) = [one for one in rows(night.uri, TableName.RUNS) if one["job"] == "review"]
    assert (run["outcome"], run["planned"]) == ("success", 1)


def test_a_picture_to_draw_is_told_and_not_written(night: Store, tmp_path: Path) -> None:
    result = taken(night, tmp_path, stated(said(FOUND, "redraw"), said(CLEAN)))
    assert result == TakenIn(1, 0, (FOUND,), new=True)
    assert {one[0] for one in reviews(night)} == {CLEAN}
    alone = taken(night, tmp_path, stated(said(FOUND, "redraw")))
    assert alone == TakenIn(0, 0, (FOUND,), new=False)


def test_the_same_verdicts_are_written_once(night: Store, tmp_path: Path) -> None:
    first = stated(said(FOUND), said(CLEAN))
    assert taken(night, tmp_path, first).new
    before, runs = reviews(night), len(rows(night.uri, TableName.RUNS))
    # saved again, a minute later, in another order
    later = "2026-03-04T08:01:00Z"
    again = stated(said(CLEAN, at=later), said(FOUND, at=later))
    assert not taken(night, tmp_path, again).new
    assert (reviews(night), len(rows(night.uri, TableName.RUNS))) == (before, runs)
    assert taken(night, tmp_path, stated(said(FOUND, "nothing"))).new
    assert len(reviews(night)) == len(before) + 2


def test_the_name_comes_from_the_call_where_the_file_has_none(night: Store, tmp_path: Path) -> None:
    nobody = stated(reviewer="")
    with pytest.raises(SettingsError, match="add --reviewer NAME"):
        taken(night, tmp_path, nobody)
    assert reviews(night) == []
    assert taken(night, tmp_path, nobody, "Grace").new
    assert {one["reviewer"] for one in rows(night.uri, TableName.REVIEWS)} == {"Grace"}


NOW = datetime.now(UTC)
ALTERED: dict[str, tuple[Stated, str]] = {
    "another run": (stated(run="20260304T050607-ffffffff"), "is not in these tables"),
    "a run that only begins so": (stated(run=ORIGIN.run_id[:8]), "is not in these tables"),
    "another bundle": (stated(bundle="c" * 64), "is not in these tables"),
    "another version of a picture": (
        stated(said(FOUND, etag="e2")),
        "has no such version of 1 pic",
    ),
    "another source": (stated(said(FOUND, source="/other")), "has no such version of 1 pictures"),
    "a picture that is not there": (stated(said(FOUND), said("no.png")), "of 1 pictures: no.png"),
    "a picture twice": (stated(said(FOUND), said(FOUND, "nothing")), "a picture has two verdicts"),
    "no picture": (stated() | {"pictures": []}, "pictures"),
    "another field": (stated(masks="1 3"), "masks: Extra inputs are not permitted"),
    "another field of a picture": (
        stated(said(FOUND, run_lengths="1 3")),
        "pictures.0.run_lengths",
    ),
    "a missing field": ({k: v for k, v in stated().items() if k != "bundle"}, "bundle: Field req"),
    "an unknown verdict": (stated(said(FOUND, "maybe")), "pictures.0.verdict"),
    "a text for a list": (stated() | {"pictures": "all"}, "pictures"),
    "a number for a name": (stated(reviewer=7), "reviewer"),
    "a name with a line feed": (stated(reviewer="Ada\nroot"), "has control characters"),
    "a very long name": (stated(reviewer="A" * 201), "more than 200 characters"),
    "a name of spaces": (stated(reviewer="   "), "name is empty"),
    "an empty key": (stated(said("")), "pictures.0.key"),
    "a very long key": (stated(said("k" * 5_000)), "pictures.0.key"),
    "next week": (
        stated(said(FOUND, at=(NOW + timedelta(days=7)).isoformat())),
        "which cannot be",
    ),
    "the last year of all": (stated(said(FOUND, at="9999-12-31T23:59:59-12:00")), "cannot be"),
    "long ago": (stated(said(FOUND, at="1999-01-01T00:00:00Z")), "which cannot be"),
    "no time": (stated(said(FOUND, at="yesterday")), "pictures.0.at"),
    "another form": (stated(form="steeldefect export"), "holds no verdicts of a page"),
    "a newer version": (stated(version=2), "has version 2; this program reads 1"),
    "SQL as a run": (stated(run="' OR 1=1 --"), "is not in these tables"),
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_file_is_refused_and_nothing_is_written(
    unchanged: Store, tmp_path: Path, name: str
) -> None:
    content, message = ALTERED[name]
    before = len(rows(unchanged.uri, TableName.RUNS))
    with pytest.raises(DataError) as raised:
        taken(unchanged, tmp_path, content)
    assert message in str(raised.value)
    assert rows(unchanged.uri, TableName.REVIEWS) == []
    assert len(rows(unchanged.uri, TableName.RUNS)) == before


BYTES: dict[str, Callable[[], bytes]] = {
    "no JSON": lambda: b"{",
    "nothing": lambda: b"",
    "a list": lambda: b"[1]",
    "not UTF-8": lambda: b'{"form": "\xff"}',
    "nested without end": lambda: b"[" * 200_000,
    "nested objects": lambda: b'{"form": ' * 200_000,
    "half a character in a key": lambda: json.dumps(stated(said("\ud800.png"))).encode(),
    "no number": lambda: json.dumps(stated(version=float("nan"))).encode(),
    "a huge number": lambda: b'{"form": "steeldefect verdicts", "version": ' + b"9" * 10_000 + b"}",
    "many pictures": lambda: json.dumps(
        stated(*(said(f"{number}.png") for number in range(20_000)))
    ).encode(),
    "UTF-16": lambda: json.dumps(stated()).encode("utf-16"),
}


@pytest.mark.parametrize("name", BYTES)
def test_a_file_of_any_bytes_is_refused_in_one_line(
    unchanged: Store, tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "verdicts.json"
    path.write_bytes(BYTES[name]())
    asked = ["review", "import", "--annotations", str(path), "--output", unchanged.uri]
    assert steeldefect(asked) == 12
    error = capfd.readouterr().err
    assert (error.count("\n"), error.startswith("error: ")) == (1, True)
    assert len(error) < 1_000
    assert rows(unchanged.uri, TableName.REVIEWS) == []


def test_what_a_file_states_cannot_write_to_the_terminal(
    unchanged: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "verdicts.json"
    asked = ["review", "import", "--annotations", str(path), "--output", unchanged.uri]
    evil = "x\n\x1b[31merror: all is well\x07\u202e"
    altered = (stated(run=evil), stated(output=evil, run="r"), stated(said(evil)))
    for content in (*altered, stated(**{evil: 1})):
        path.write_text(json.dumps(content), encoding="utf-8")
        assert steeldefect(asked) == 12
        error = capfd.readouterr().err
        assert error.count("\n") == 1
        assert error.rstrip("\n").isprintable(), error


def test_verdicts_of_another_output_are_refused(
    unchanged: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = Night(Path(ARCHIVE))
    other.with_region(FOUND, 20)
    another = open_store(str(tmp_path / "another"))
    other.end(another, origin(7, BUNDLE), scored=1)
    with pytest.raises(DataError, match="name the output that it was made from"):
        taken(another, tmp_path, stated(output=unchanged.uri))
    assert rows(another.uri, TableName.REVIEWS) == []


def test_a_folder_without_tables_and_a_missing_file_are_refused(
    unchanged: Store, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"nothing.json cannot be read"):
        import_verdicts(unchanged, ScoreSettings(), tmp_path / "nothing.json", None)
    with pytest.raises(DataError, match="is not a regular file"):
        import_verdicts(unchanged, ScoreSettings(), Path("/dev/null"), None)
    with pytest.raises(SteelDefectError):
        taken(open_store(str(tmp_path / "empty")), tmp_path, stated())
    assert not (tmp_path / "empty").exists()


def test_a_run_of_another_job_is_no_night(night: Store, tmp_path: Path) -> None:
    finish(night, origin(3, BUNDLE), job="evaluate")
    with pytest.raises(DataError, match="is not in these tables"):
        taken(night, tmp_path, stated(run=origin(3).run_id))
