"""What is picked for review, and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.archives import unpack_old_output
from support.examples import BUNDLE, level, origin, prediction
from support.reviewing import (
    DENT,
    GATE,
    LEAST,
    NAMES,
    SCRATCH,
    Night,
    thresholds,
)

from steeldefect.bundle.manifest import Gate, GateMode
from steeldefect.detection import gating
from steeldefect.errors import SettingsError, TableError
from steeldefect.pictures.preprocessing import InputSpec, Scaling
from steeldefect.review.pick import COLUMNS, Picked, Wanted, pick
from steeldefect.review.queue_files import queue_text
from steeldefect.review.reasons import Kind
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store, open_store
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


def test_nothing_doubtful_is_nothing_to_pick(store: Store, night: Night) -> None:
    night.scored("a.png", 1)
    night.with_region("b.png", 40, 2)
    night.end(store)
    queue = pick(store, ScoreSettings(), NO_DRAW)
    assert queue.rows == ()
    assert queue.notes == ("0 of 100 pictures: no other one is doubtful",)
    assert queue_text(queue) == "(no pictures)"


@pytest.mark.parametrize(
    ("probability", "reason"),
    [(0.012, "gate 0.012, threshold 0.010"), (0.0085, "gate 0.0085, threshold 0.0100")],
)
def test_gate_near_its_threshold(
    store: Store, night: Night, probability: float, reason: str
) -> None:
    night.scored("near.png", 1, gate_probability=probability)
    night.scored("far.png", 2, gate_probability=0.03, verdict="gated")
    night.scored("none.png", 3, gate_probability=None)
    night.end(store)
    row = the_one(store)
    assert (row.kind, row.key, row.reason) == (Kind.GATE, "near.png", reason)
    odds = sorted([probability / (1 - probability), GATE / (1 - GATE)])
    assert row.score == pytest.approx(odds[0] / odds[1], rel=1e-5)


def test_a_gate_that_passes_everything_is_never_in_doubt(store: Store, night: Night) -> None:
    night.scored("a.png", 1, gate_probability=0.0)
    night.end(store, thresholds=thresholds(threshold=0.0))
    assert picked(store) == ()


def test_region_near_the_pixel_threshold(store: Store, night: Night) -> None:
    night.with_region("near.png", 30, 1, mean_probability=0.52)
    night.with_region("far.png", 30, 2, mean_probability=0.9)
    night.end(store)
    row = the_one(store)
    assert (row.kind, row.key) == (Kind.PROBABILITY, "near.png")
    assert row.reason == "region of class scratch: mean probability 0.52, threshold 0.50"
    assert row.score == pytest.approx(0.48 / 0.52, rel=1e-5)


def test_a_speck_beside_a_certain_region_is_no_doubt(store: Store, night: Night) -> None:
    night.with_region("a.png", 30, 1, mean_probability=0.51)
    night.rows[TableName.PREDICTIONS][0]["area"] = 5 * 900
    night.end(store)
    assert picked(store) == ()


def test_class_just_below_the_pixel_threshold(store: Store, night: Night) -> None:
    for key, largest in (("near.png", 0.48), ("far.png", 0.31)):
        night.scored(key, len(key), level_masks=2)
        for one in (0.2, 0.3):
            row = level(key, level=one, max_probability=largest, class_name="scratch")
            night.add(TableName.MASK_LEVELS, row)
    night.end(store)
    row = the_one(store)
    assert (row.kind, row.key) == (Kind.PROBABILITY, "near.png")
    assert row.reason == "no region of class scratch: largest probability 0.48, threshold 0.50"


def test_masks_of_a_class_that_was_found_are_no_doubt(store: Store, night: Night) -> None:
    night.with_region("a.png", 30, 1)
    row = level("a.png", level=0.3, max_probability=0.51, class_name="scratch")
    night.add(TableName.MASK_LEVELS, row)
    night.end(store)
    assert picked(store) == ()


def test_class_just_above_its_minimum_area(store: Store, night: Night) -> None:
    night.with_region("near.png", 11, 1)
    night.with_region("far.png", 15, 2)
    night.with_region("no least.png", 2, 3, class_id=DENT)
    night.end(store)
    row = the_one(store)
    assert (row.kind, row.key) == (Kind.AREA_ABOVE, "near.png")
    assert row.reason == "class scratch: 121 px in 1 region, minimum area 100 px"
    assert row.score == pytest.approx(100 / 121)


def test_class_just_below_its_minimum_area(store: Store, night: Night) -> None:
    night.with_rejected("near.png", 8, 5, seed=1)
    night.with_rejected("far.png", 6, seed=2)
    night.with_rejected("cut.png", 7, seed=3, more=2)
    night.end(store)
    rows = {row.key: row for row in picked(store, Wanted(random_share=0))}
    assert {row.kind for row in rows.values()} == {Kind.AREA_BELOW}
    near = rows.pop("near.png")
    assert near.reason == "class scratch: 89 px in 2 regions removed, minimum area 100 px"
    assert near.score == pytest.approx(0.89)
    assert rows == {}, "49 of 100 px are not near"


def test_an_area_that_the_tables_hold_in_part_is_a_lower_bound(store: Store, night: Night) -> None:
    night.with_rejected("cut.png", 9, seed=3, more=2)
    night.end(store)
    reason = "class scratch: at least 81 px in 1 region removed, minimum area 100 px"
    assert the_one(store).reason == reason


@pytest.mark.parametrize("probability", [0.0, 0.004, 0.0099, 0.01, 0.5])
def test_a_soft_gate_raises_the_minimum_area(
    store: Store, night: Night, probability: float
) -> None:
    night.with_region("a.png", 12, 1)
    night.rows[TableName.IMAGES][0]["gate_probability"] = probability
    soft = {"mode": "soft", "threshold": GATE, "soft_area": 77}
    night.end(store, thresholds=thresholds(**soft))
    spec = InputSpec(height=8, width=8, channels=1, scaling=Scaling.UNIT)
    gate = Gate(input=spec, threshold=GATE, mode=GateMode.SOFT, soft_area=77)
    added = int(gating.added_area(gate, np.array([probability], np.float32))[0])
    least = LEAST[SCRATCH] + added
    more = f", {added} px of it added by the soft gate" if added else ""
    wanted = f"class scratch: 144 px in 1 region, minimum area {least} px{more}"
    row = the_one(store)
    assert wanted in row.reason
    if row.kind is Kind.AREA_ABOVE:
        assert row.score == pytest.approx(least / 144)


def test_a_hard_gate_adds_no_area(store: Store, night: Night) -> None:
    night.with_region("a.png", 12, 1)
    night.rows[TableName.IMAGES][0]["gate_probability"] = 0.001
    night.end(store, thresholds=thresholds(soft_area=77))
    assert the_one(store).reason == "class scratch: 144 px in 1 region, minimum area 100 px"


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (Wanted(other="b"), f"{BUNDLE[:12]} is the bundle itself; compare it with another"),
        (Wanted(count=0), "count 0: expected 1 or more"),
        (Wanted(random_share=1.01), "random share 1.01: expected 0 to 1"),
        (Wanted(random_share=float("nan")), "random share nan: expected 0 to 1"),
    ],
)
def test_questions_without_an_answer(
    store: Store, night: Night, wanted: Wanted, problem: str
) -> None:
    night.scored("a.png")
    night.end(store)
    with pytest.raises(SettingsError, match=problem):
        picked(store, wanted)


def test_unknown_bundles(store: Store, night: Night) -> None:
    night.scored("a.png")
    night.end(store)
    for wanted in (Wanted(bundle="d"), Wanted(other="d")):
        with pytest.raises(TableError, match="no bundle begins with 'd'"):
            picked(store, wanted)


def test_a_picture_has_one_row_that_names_all_its_doubts(store: Store, night: Night) -> None:
    night.with_region("a.png", 11, 1, mean_probability=0.52)
    night.rows[TableName.IMAGES][0]["gate_probability"] = 0.0101
    night.end(store)
    row = the_one(store)
    assert row.kind is Kind.GATE
    assert row.reason == (
        "gate 0.0101, threshold 0.0100; also region of class scratch: mean probability 0.52, "
        "threshold 0.50; class scratch: 121 px in 1 region, minimum area 100 px"
    )


def test_the_kinds_take_turns(store: Store, night: Night) -> None:
    for number in range(8):
        night.scored(f"gate-{number}.png", number, gate_probability=GATE + 1e-5 * number)
    night.with_rejected("below-0.png", 9, seed=10)
    night.with_rejected("below-1.png", 8, seed=11)
    night.with_region("above-0.png", 11, seed=12)
    night.end(store)
    keys = [row.key.removesuffix(".png") for row in picked(store, Wanted(count=7, random_share=0))]
    assert keys == ["gate-0", "above-0", "below-0", "gate-1", "below-1", "gate-2", "gate-3"]


def test_equal_scores_are_ordered_by_source_and_key(store: Store, night: Night) -> None:
    for seed, key in enumerate(["b.png", "a.png", "B.png", "é.png", "a/z.png"]):
        night.scored(key, seed, gate_probability=0.012)
    night.end(store)
    wanted = ["B.png", "a.png", "a/z.png", "b.png", "é.png"]
    assert [row.key for row in picked(store)] == wanted
    assert [row.rank for row in picked(store)] == [1, 2, 3, 4, 5]


def test_only_the_newest_run_counts(store: Store, night: Night) -> None:
    night.scored("a.png", 1, gate_probability=0.012)
    night.with_region("b.png", 11, 2)
    night.end(store, origin(0))
    again = Night(night.archive)
    again.scored("a.png", 1)
    again.scored("b.png", 2)
    again.end(store, origin(1))
    assert picked(store) == ()


def test_place_and_provenance_are_columns(store: Store, night: Night) -> None:
    night.scored("line 1/a.png", 1, gate_probability=0.012, coil="17", position_mm=2500.0)
    night.end(store)
    queue = pick(store, ScoreSettings(), NO_DRAW)
    assert queue.table().schema == COLUMNS
    (row,) = queue.table().to_pylist()
    assert row.pop("score") == pytest.approx(0.83, abs=0.01)
    assert row == {
        "rank": 1,
        "source": str(night.archive),
        "key": "line 1/a.png",
        "image_id": "a.png",
        "run_id": "20260304T050607-0123abcd",
        "bundle": BUNDLE,
        "reason": "gate 0.012, threshold 0.010",
        "kind": "gate",
        "coil": "17",
        "position_mm": 2500.0,
    }


def test_pictures_without_regions_are_named(store: Store, night: Night) -> None:
    night.with_region("old.png", 11, 1)
    night.rows[TableName.IMAGES][0]["regions"] = None
    del night.rows[TableName.DEFECTS]
    night.scored("gated.png", 2, regions=None, verdict="gated", gate_probability=0.001)
    night.end(store)
    queue = pick(store, ScoreSettings(), NO_DRAW)
    assert [(row.key, row.kind) for row in queue.rows] == [("old.png", Kind.AREA_ABOVE)]
    assert queue.notes[0] == (
        "pictures that a version scored that measured no regions: 1; probability and area_below "
        "are left out for them"
    )


def test_tables_of_version_0_1(tmp_path: Path) -> None:
    store = open_store(str(unpack_old_output(tmp_path)))
    rows = picked(store, Wanted(count=4, random_share=1))
    assert [row.kind for row in rows] == [Kind.RANDOM] * 4
    assert all("cannot be read now" in row.reason for row in rows), "/plant is not here"


def test_class_names_are_those_of_the_tables(store: Store, night: Night) -> None:
    name = "roll\nmark 100% 'deep'"
    night.with_region("a.png", 11, 1, class_name=name)
    night.end(store)
    assert the_one(store).reason == f"class {name}: 121 px in 1 region, minimum area 100 px"
    assert NAMES[SCRATCH] not in the_one(store).reason


def test_what_the_audit_of_the_gate_found(store: Store, night: Night) -> None:
    gated = {"verdict": "gated", "defects": 0, "regions": 0, "gate_probability": 0.001}
    night.scored("hidden.png", 1, **gated, audit_defects=1, audit_regions=1)
    night.scored("clean.png", 2, **gated, audit_defects=0, audit_regions=0)
    hidden = prediction("hidden.png", source=str(night.archive), audit=True, mean_probability=0.75)
    night.add(TableName.PREDICTIONS, hidden)
    night.end(store)
    row = the_one(store)
    assert (row.key, row.kind, row.score) == ("hidden.png", Kind.AUDIT, 0.75)
    assert row.reason == f"behind the gate (0.0010): 3 px of class {hidden['class_name']}"
