"""Nightly runs that plan, publish and record like the job, without Spark.

The name of a picture decides what is found on it. Names that begin with `clean` have no defect,
with `two` two defects, with `bad` they go to quarantine; all others have one defect.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from steeldefect.plan.listing import LISTING
from steeldefect.plan.plan import dealt_with
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.lease import Timing, hold, newest_holder
from steeldefect.publish.runs import Outcome, RunRecord, record_run
from steeldefect.publish.wave_records import WaveRecord
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.parts import Part, write_part
from steeldefect.tables.provenance import Origin, stored_rows, whole_rows
from steeldefect.tables.schema import TableName
from steeldefect.upkeep.health import check_tables, require_sound
from support.examples import (
    BUNDLE,
    MORNING,
    defect,
    failure,
    finish,
    image,
    level,
    picture,
    prediction,
)

QUICK = Timing(beat=0.05, dead_after=0.5, look=0.02)
LABELS = "/labels/train.csv"
PICTURES = ["clean-1.png", "one-1.png", "two-1.png", "bad-1.png"]
MORE = ["clean-2.png", "one-2.png", "two-2.png", "bad-2.png"]


def origin_of(number: int) -> Origin:
    """Return the origin of the run of a night; nights 1 to 9 have the same date."""
    moment = MORNING + timedelta(hours=2 * number)
    return Origin(f"run-{number:03d}", BUNDLE, moment, number)


def night(store: Store, keys: Iterable[str], number: int, wave: int = 2) -> list[str]:
    """Score the new pictures of an archive; return the planned keys.

    Args:
        store: the output.
        keys: keys of the pictures in the archive.
        number: number of the night.
        wave: number of pictures in one wave.
    """
    tables, made = Tables(store), origin_of(number)
    log = WaveLog(tables)
    with hold(store, made.run_id, 5, QUICK) as held:
        log.recover(held.number)
        held.check()
        require_sound(store)
        rows = [{"key": key, "etag": "e1", "size": 10} for key in sorted(keys)]
        listed = pa.Table.from_pylist(rows, LISTING)
        plan = dealt_with(tables, "/archive", BUNDLE, ScoreSettings()).plan(listed)
        planned: list[str] = plan.todo["key"].to_pylist()
        waves = [planned[start : start + wave] for start in range(0, len(planned), wave)]
        if waves:
            tables.create_all()
            finish(store, made, outcome=Outcome.RUNNING, seconds=0.0)
        for count, wanted in enumerate(waves, start=1):
            parts = write_parts(store, wanted, made, count)
            log.publish(WaveRecord(made.run_id, count, parts, held.number), held.check)
        bad = sum(key.startswith("bad") for key in planned)
        defective = sum(bool(classes_on(key)) for key in planned)
        outcome = Outcome.SUCCESS if planned else Outcome.NOTHING_NEW
        counts = {"scored": len(planned) - bad, "quarantined": bad, "waves": len(waves)}
        finish(store, made, outcome=outcome, defective=defective, **counts)
    return planned


def write_parts(store: Store, keys: Iterable[str], made: Origin, wave: int = 1) -> list[Part]:
    """Write the findings of pictures as parts; they are not visible yet."""
    rows: dict[TableName, list[dict[str, Any]]] = {}
    for key in keys:
        if key.startswith("bad"):
            rows.setdefault(TableName.QUARANTINE, []).append(failure(key))
            continue
        classes = classes_on(key)
        verdict = "defect" if classes else "clean"
        counts = {"defects": len(classes), "regions": len(classes), "level_masks": len(classes)}
        row = image(key, verdict=verdict, **counts)
        rows.setdefault(TableName.IMAGES, []).append(row)
        for number, one in enumerate(classes, start=1):
            named = {"class_id": one, "class_name": f"class {one}"}
            rows.setdefault(TableName.PREDICTIONS, []).append(prediction(key, **named))
            rows.setdefault(TableName.DEFECTS, []).append(defect(key, number=number, **named))
            rows.setdefault(TableName.MASK_LEVELS, []).append(level(key, **named))
    return [
        write_part(store, table, stored_rows(table, some, made), made, f"{wave:06d}-000000")
        for table, some in rows.items()
    ]


def die_after_record(store: Store, keys: Iterable[str], number: int) -> WaveRecord:
    """Score pictures as the newest holder, and stop after the wave record is written."""
    made = origin_of(number)
    parts = write_parts(store, keys, made)
    Tables(store).create_all()
    finish(store, made, outcome=Outcome.RUNNING, seconds=0.0)
    record = WaveRecord(made.run_id, 1, parts, newest_holder(store))
    store.write_new(record.key, TypeAdapter(WaveRecord).dump_json(record))
    return record


def classes_on(key: str) -> list[int]:
    """Return the defect classes that are found on a picture."""
    if key.startswith(("clean", "bad")):
        return []
    return [1, 2] if key.startswith("two") else [1]


def evaluate(store: Store, number: int) -> None:
    """Write an evaluation as the job does."""
    tables, made = Tables(store), origin_of(number)
    pixels = {"tp": 3, "fp": 0, "fn": 0, "tn": 5, "labels": LABELS}
    counted = [prediction("one-1.png") | pixels]
    names = ("source", "key", "image_id", "class_id", "class_name", *pixels)
    rows = [{name: row[name] for name in names} for row in counted]
    score = {"scope": "overall", "name": "pooled_iou", "value": 1.0, "support": 3}
    score |= {"class_id": None, "class_name": None, "labels": LABELS}
    tables.replace(
        TableName.CONFUSIONS,
        whole_rows(TableName.CONFUSIONS, rows, made),
        {"bundle": BUNDLE, "labels": LABELS},
    )
    tables.append(TableName.METRICS, whole_rows(TableName.METRICS, [score], made))
    record_run(tables, made, RunRecord("evaluate", LABELS, Outcome.SUCCESS, 1.0, planned=1))


def review(store: Store) -> None:
    """Write a review as `review import` does."""
    tables, made = Tables(store), replace(origin_of(3), run_id="review-003")
    said = {"class_id": 1, "class_name": "bright", "run_lengths": "1 3", "verdict": "confirmed"}
    said |= {"etag": "e1", "width": 128, "height": 64, "reviewer": "Ada", "review": "r1"}
    said |= {"reviewed_at": made.scored_at, "format": "coco", "scored_run": "run-001"}
    rows = [picture("one-1.png") | said]
    tables.append(TableName.REVIEWS, whole_rows(TableName.REVIEWS, rows, made))
    record_run(tables, made, RunRecord("review", "/archive", Outcome.SUCCESS, 1.0, planned=1))


def watch(store: Store, number: int) -> None:
    """Write what the watch of a night found, and how a shadow agreed with it."""
    tables, made = Tables(store), origin_of(number)
    drift = {"camera": None, "quantity": "gray_mean", "reference": "run run-001", "alarm": False}
    drift |= {"reference_count": 3, "night_count": 3, "sentence": "not compared"}
    repeat = {"kind": "roll", "coil": "c", "class_id": 1, "class_name": "bright", "roll": 1}
    repeat |= {"p_value": 0.001, "defects": 1, "sentence": "a roll", "member_numbers": [1]}
    repeat |= {"member_sources": ["/archive"], "member_keys": ["one-1.png"]}
    agreement = picture("one-1.png") | {"class_id": 1, "class_name": "bright", "area": 3}
    agreement |= {"shadow_area": 2, "intersection": 2}
    agreement |= {"shadow_run": "run-002b", "shadow_bundle": "b" * 64}
    found = {TableName.DRIFT: drift, TableName.REPEATS: repeat, TableName.AGREEMENT: agreement}
    for table, row in found.items():
        tables.replace(table, whole_rows(table, [row], made), {"run_id": made.run_id})


def two_nights(store: Store) -> None:
    """Run two nights, an evaluation and a review; watch a night: every table has rows."""
    night(store, PICTURES, 1)
    night(store, PICTURES + MORE, 2)
    watch(store, 2)
    evaluate(store, 3)
    review(store)


def assert_each_once(store: Store, keys: Iterable[str]) -> None:
    """Check that every picture is there once, with its findings, and that all tables agree."""
    tables, wanted = Tables(store), sorted(keys)
    scored = tables.read(TableName.IMAGES, ["key"])["key"].to_pylist()
    failed = tables.read(TableName.QUARANTINE, ["key"])["key"].to_pylist()
    assert sorted(scored + failed) == wanted
    found = tables.read(TableName.PREDICTIONS, ["key", "class_id"]).to_pylist()
    expected = sorted((key, number) for key in wanted for number in classes_on(key))
    assert sorted((row["key"], row["class_id"]) for row in found) == expected
    assert check_tables(store) == []
