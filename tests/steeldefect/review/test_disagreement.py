"""Pictures on which two bundles disagree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.examples import BUNDLE, origin
from support.reviewing import (
    DENT,
    SCRATCH,
    SURE,
    Night,
    found,
    square,
)

from steeldefect.review.pick import Picked, Wanted, pick
from steeldefect.review.reasons import Kind
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store
from steeldefect.tables.schema import TableName

OTHER = "c" * 64
NO_DRAW = Wanted(random_share=0)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path / "archive")


def picked(store: Store, wanted: Wanted = NO_DRAW) -> tuple[Picked, ...]:
    return pick(store, ScoreSettings(), wanted).rows


def the_one(store: Store, wanted: Wanted = NO_DRAW) -> Picked:
    (row,) = picked(store, wanted)
    return row


SIZES = {
    OTHER: {"same": 30, "more": 12, "elsewhere": 20},
    BUNDLE: {"same": 30, "more": 40, "elsewhere": 20, "only": 20},
}


def two_bundles(store: Store, archive: Path, etag: str = "e1") -> None:
    """Score four pictures with `OTHER`, then their versions `etag` with `BUNDLE`."""
    before, after = Night(archive), Night(archive)
    for night, sizes in ((before, SIZES[OTHER]), (after, SIZES[BUNDLE])):
        for seed, key in enumerate(("same", "more", "elsewhere", "only")):
            if key in sizes:
                night.with_region(key, sizes[key], seed)
            else:
                night.scored(key, seed)
    moved = found("elsewhere", square(20, left=60)) | {"source": str(archive)}
    after.rows[TableName.PREDICTIONS][2] = moved
    for row in after.rows[TableName.IMAGES]:
        row["etag"] = etag
    before.end(store, origin(0, OTHER))
    after.end(store, origin(1, BUNDLE))


def test_two_bundles_disagree(store: Store, tmp_path: Path) -> None:
    two_bundles(store, tmp_path / "archive")
    queue = pick(store, ScoreSettings(), NO_DRAW)
    assert f"disagreement: compared with bundle {OTHER[:12]}" in queue.notes
    assert [(row.key, row.kind) for row in queue.rows if row.kind is Kind.DISAGREEMENT] == [
        ("elsewhere", Kind.DISAGREEMENT),
        ("only", Kind.DISAGREEMENT),
        ("more", Kind.DISAGREEMENT),
    ]
    by_key = {row.key: row for row in queue.rows}
    theirs = f"by bundle {OTHER[:12]}"
    assert by_key["only"].reason == f"class scratch: 400 px, but nothing {theirs}"
    assert by_key["only"].score == pytest.approx(SURE, rel=1e-6)
    assert by_key["elsewhere"].reason == f"class scratch: 400 px, but 400 px {theirs}"
    assert by_key["elsewhere"].score == pytest.approx(SURE, rel=1e-6)
    assert by_key["more"].reason == f"class scratch: 1600 px, but 144 px {theirs}"
    assert by_key["more"].score == pytest.approx((1 - 144 / 1600) * SURE, rel=1e-6)
    assert "same" not in by_key


def test_the_other_side_of_a_disagreement(store: Store, tmp_path: Path) -> None:
    two_bundles(store, tmp_path / "archive")
    rows = picked(store, Wanted(bundle="c", other="b", random_share=0))
    (only,) = [row for row in rows if row.key == "only"]
    assert only.reason == f"class scratch: nothing, but 400 px by bundle {BUNDLE[:12]}"
    assert only.bundle == OTHER


def test_pictures_that_changed_between_two_bundles_are_not_compared(
    store: Store, tmp_path: Path
) -> None:
    two_bundles(store, tmp_path / "archive", etag="e2")
    assert Kind.DISAGREEMENT not in {row.kind for row in picked(store)}


def test_classes_that_one_bundle_does_not_have_are_not_compared(store: Store, night: Night) -> None:
    night.with_region("a.png", 30, 1, class_id=DENT)
    night.end(store, origin(1))
    before = Night(night.archive)
    before.scored("a.png", 1)
    before.end(store, origin(0, OTHER), classes=json.dumps({SCRATCH: "scratch"}))
    assert picked(store) == ()


def test_tables_without_thresholds_leave_out_what_needs_them(store: Store, tmp_path: Path) -> None:
    two_bundles(store, tmp_path / "archive")
    night = Night(tmp_path / "archive")
    night.with_region("old.png", 11, 9)
    night.rows[TableName.IMAGES][0] |= {"gate_probability": 0.012, "regions": None}
    night.end(store, origin(2, "d" * 64), thresholds=None)
    queue = pick(store, ScoreSettings(), Wanted(bundle="d", random_share=0))
    assert queue.rows == ()
    assert queue.notes[0] == (
        "bundle dddddddddddd was scored by a version that kept no thresholds: gate, probability, "
        "area_above and area_below are left out"
    )
