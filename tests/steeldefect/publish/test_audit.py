"""The audit of a wave: which waves pass, and which are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from support.examples import (
    ORIGIN,
    Rows,
    defect,
    failure,
    image,
    one_of_each,
    prediction,
    write,
)

from steeldefect.errors import (
    AuditError,
    DecodeError,
    FailureShareError,
    FetchUnavailableError,
    SourceDownError,
    StoreError,
)
from steeldefect.plan.listing import LISTING
from steeldefect.publish.audit import audit_wave
from steeldefect.scoring.failure_share import check_failures
from steeldefect.scoring.fetching import PictureKey
from steeldefect.scoring.task_report import Failures, TaskReport
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store
from steeldefect.tables.schema import TableName

Audit = Callable[..., None]


def wave(*keys: str) -> pa.Table:
    return pa.Table.from_pylist([{"key": key, "etag": "e1", "size": 1} for key in keys], LISTING)


def report(store: Store, rows: Rows) -> TaskReport:
    """Write rows, and return a report of them, as a task does."""
    return TaskReport(
        write(store, rows, ORIGIN),
        scored=len(rows.get(TableName.IMAGES, [])),
        quarantined=len(rows.get(TableName.QUARANTINE, [])),
    )


def scored(*keys: str) -> Rows:
    return {TableName.IMAGES: [image(key, defects=0, regions=0) for key in keys]}


def test_what_was_planned_and_written_passes(any_store: Store) -> None:
    reports = [
        report(any_store, one_of_each("b")),
        report(any_store, scored("a", "ü/c")),
        TaskReport(),
    ]
    audit_wave(any_store, wave("a", "b", "broken-b", "ü/c"), reports, masks=20)


def test_a_wave_in_which_everything_failed_passes_too(store: Store) -> None:
    rows = {TableName.QUARANTINE: [failure("a"), failure("b")]}
    audit_wave(store, wave("a", "b"), [report(store, rows)], masks=20)


@pytest.mark.parametrize(
    ("planned", "written", "problem"),
    [
        (["a", "b"], [["a"]], "wrote 1 pictures where 2 were planned: 1 missing, 0 doubled, 0 not"),
        (["a"], [["a", "b"]], "wrote 2 pictures where 1 were planned: 0 missing, 0 doubled, 1 not"),
        (["a", "b"], [["a", "a"]], "wrote 2 pictures where 2 .*: 1 missing, 1 doubled, 0 not"),
        (["a", "b"], [["a"], ["b", "a"]], "wrote 3 .*: 0 missing, 1 doubled, 0 not planned"),
        (["a", "b"], [["a", "c"]], "wrote 2 .*: 1 missing, 0 doubled, 1 not planned"),
        (["a"], [[]], "wrote 0 pictures where 1 were planned"),
        (["a"], [], "wrote 0 pictures where 1 were planned"),
        (["a"], [["A"]], "1 missing, 0 doubled, 1 not planned"),
    ],
)
def test_missing_doubled_and_foreign_pictures_are_counted(
    store: Store, planned: list[str], written: list[list[str]], problem: str
) -> None:
    reports = [report(store, scored(*keys)) for keys in written]
    with pytest.raises(AuditError, match=problem) as caught:
        audit_wave(store, wave(*planned), reports, masks=20)
    assert "this wave was not published; start again" in str(caught.value)


def test_a_picture_that_was_scored_and_failed_is_doubled(store: Store) -> None:
    rows = scored("a") | {TableName.QUARANTINE: [failure("a")]}
    with pytest.raises(AuditError, match="1 doubled"):
        audit_wave(store, wave("a"), [report(store, rows)], masks=20)


def test_counts_that_a_task_reports_must_be_those_of_its_rows(store: Store) -> None:
    reported = report(store, scored("a", "b"))
    reported.scored = 1
    with pytest.raises(AuditError, match="the tasks report 1 pictures, 2 were planned"):
        audit_wave(store, wave("a", "b"), [reported], masks=20)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"area": 4}, "a, class 1: the run lengths cover 3 pixels, the row says 4"),
        ({"run_lengths": ""}, "the run lengths cover 0 pixels, the row says 3"),
        ({"run_lengths": "1 2 9"}, "a, class 1: malformed run lengths: run 1: a start without"),
        ({"run_lengths": "5 1 1 2"}, "malformed run lengths: run 1: begins before"),
        ({"run_lengths": "one"}, "malformed run lengths: run 0: not a whole number"),
    ],
)
def test_a_mask_that_is_not_what_its_row_says(
    store: Store, changes: dict[str, Any], problem: str
) -> None:
    reported = report(store, found("a", **changes))
    with pytest.raises(AuditError, match=problem) as caught:
        audit_wave(store, wave("a"), [reported], masks=1)
    assert "this wave was not published" in str(caught.value)
    audit_wave(store, wave("a"), [reported], masks=0)  # none was asked for


def found(key: str, classes: int = 1, **changes: Any) -> Rows:
    """Return the rows of a picture with one region of each class."""
    numbers = [{"class_id": number} for number in range(1, classes + 1)]
    return {
        TableName.IMAGES: [image(key, defects=classes, regions=classes)],
        TableName.PREDICTIONS: [prediction(key, **one, **changes) for one in numbers],
        TableName.DEFECTS: [
            defect(key, number=one["class_id"], **one, **changes) for one in numbers
        ],
    }


def test_the_sample_is_spread_over_all_files(store: Store) -> None:
    wrong = report(store, found("a", 50, area=4))
    sound = report(store, found("b", 50))
    for masks in (1, 2, 5, 7, 1000):
        with pytest.raises(AuditError, match="the run lengths cover 3 pixels, the row says 4"):
            audit_wave(store, wave("a"), [wrong], masks)
    audit_wave(store, wave("a", "b"), [sound, wrong], masks=1)
    for masks in (2, 5, 7, 1000):
        with pytest.raises(AuditError, match="the run lengths cover 3 pixels, the row says 4"):
            audit_wave(store, wave("a", "b"), [sound, wrong], masks)


def test_with_enough_masks_every_row_is_decoded(store: Store) -> None:
    for wrong in range(7):
        rows = found("a", 7)
        for table in (TableName.PREDICTIONS, TableName.DEFECTS):
            rows[table][wrong]["area"] = 4
        with pytest.raises(AuditError, match="the row says 4"):
            audit_wave(store, wave("a"), [report(store, rows)], masks=7)


UNEQUAL: dict[str, tuple[Rows, str]] = {
    "a finding twice": (
        found("a") | {TableName.PREDICTIONS: [prediction("a"), prediction("a")]},
        "a: the row in predictions and the sum of its regions differ",
    ),
    "more removed regions than stated": (
        found("a")
        | {TableName.DEFECTS: [defect("a"), defect("a", number=2, kept=False, reason="min_area")]},
        "a: 1 removed regions were written, images states 0",
    ),
    "a removed region of a strange picture": (
        found("a") | {TableName.DEFECTS: [defect("a"), defect("b", kept=False, reason="min_area")]},
        "b: 1 removed regions were written, images states None",
    ),
    "no regions": (
        found("a") | {TableName.DEFECTS: []},
        "a: the row in predictions and the sum of its regions differ",
    ),
    "another area": (
        found("a") | {TableName.DEFECTS: [defect("a", area=2)]},
        "a: the row in predictions and the sum of its regions differ",
    ),
    "a region that does not count": (
        found("a") | {TableName.DEFECTS: [defect("a", kept=False, reason="min_area")]},
        "a: the row in predictions and the sum of its regions differ",
    ),
    "a region of another class": (
        found("a") | {TableName.DEFECTS: [defect("a"), defect("a", number=2, class_id=2)]},
        "a: the row in predictions and the sum of its regions differ",
    ),
    "a verdict without findings": (
        {TableName.IMAGES: [image("a")]},
        "a: the row in images and the sum of its predictions differ",
    ),
    "findings without a verdict": (
        found("a") | {TableName.IMAGES: [image("a", defects=0, regions=0)]},
        "a: the row in images and the sum of its predictions differ",
    ),
    "another number of regions": (
        found("a") | {TableName.IMAGES: [image("a", regions=2)]},
        "a: the row in images and the sum of its predictions differ",
    ),
}


@pytest.mark.parametrize("name", UNEQUAL)
def test_regions_have_to_add_up_for_every_picture(store: Store, name: str) -> None:
    rows, problem = UNEQUAL[name]
    reported = report(store, {table: some for table, some in rows.items() if some})
    with pytest.raises(AuditError, match=problem):
        audit_wave(store, wave("a"), [reported], masks=0)


def test_regions_have_to_be_the_mask(store: Store) -> None:
    rows = found("a") | {TableName.DEFECTS: [defect("a", run_lengths="2 3")]}
    audit_wave(store, wave("a"), [report(store, rows)], masks=0)
    with pytest.raises(AuditError, match="a, class 1: its regions are not its mask"):
        audit_wave(store, wave("a"), [report(store, rows)], masks=1)


def test_regions_may_meet_where_a_run_is_cut(store: Store) -> None:
    """A run of the mask goes on in the next column, where another region begins."""
    rows = found("a") | {
        TableName.PREDICTIONS: [prediction("a", run_lengths="62 6", area=6, regions=2)],
        TableName.DEFECTS: [
            defect("a", number=1, run_lengths="65 3"),
            defect("a", number=2, run_lengths="62 3"),
        ],
        TableName.IMAGES: [image("a", regions=2)],
    }
    audit_wave(store, wave("a"), [report(store, rows)], masks=1)


@pytest.mark.parametrize("left", [0, 3, 200, -1])
def test_a_part_that_is_cut_short_is_found(store: Store, left: int) -> None:
    reports = [report(store, scored("a"))]
    (part,) = reports[0].parts
    store.write(part.key, store.read(part.key)[:left])
    with pytest.raises(AuditError, match=r"part-.* cannot be read back \(\d+ bytes, \d+ were writ"):
        audit_wave(store, wave("a"), reports, masks=20)


def test_a_part_that_is_gone_is_an_error(store: Store) -> None:
    reported = report(store, scored("a"))
    store.delete(reported.parts[0].key)
    with pytest.raises(StoreError):
        audit_wave(store, wave("a"), [reported], masks=20)


def failures(new: int, unread: int = 0, again: int = 0) -> Failures:
    return Failures(new, unread, again, ["a.png (decode: empty file: 0 bytes)"])


@pytest.mark.parametrize(
    ("new", "pictures", "limit", "least", "stops"),
    [
        (0, 0, 0.0, 1, False),
        (0, 100, 0.0, 1, False),
        (1, 100, 0.0, 1, True),
        (5, 100, 0.05, 1, False),  # the limit itself is allowed
        (6, 100, 0.05, 1, True),
        (100, 100, 1.0, 1, False),
        (1, 3, 0.05, 3, False),  # one of three is no catastrophe
        (2, 2, 0.05, 3, False),
        (3, 3, 0.05, 3, True),
    ],
)
def test_which_share_of_failures_stops_a_run(
    new: int, pictures: int, limit: float, least: int, stops: bool
) -> None:
    settings = ScoreSettings(max_failure_share=limit, min_failures=least)
    if stops:
        with pytest.raises(FailureShareError):
            check_failures(failures(new), pictures, settings, "this wave")
    else:
        check_failures(failures(new), pictures, settings, "this wave")


def test_failures_of_earlier_runs_never_stop_a_run() -> None:
    check_failures(failures(0, again=1_000), 10, ScoreSettings(), "this wave")
    check_failures(failures(0, again=1_000), 0, ScoreSettings(), "this wave")


def test_the_message_says_what_failed_and_what_to_do() -> None:
    with pytest.raises(FailureShareError) as caught:
        check_failures(failures(30), 200, ScoreSettings(), "this wave")
    assert str(caught.value) == (
        "30 of 200 pictures failed (15.0%), over max_failure_share=0.05; this wave was not "
        "published; for example a.png (decode: empty file: 0 bytes); correct the input, or raise "
        "the limit with --set max_failure_share=0.20"
    )


def test_where_the_store_gave_nothing_the_message_names_the_store() -> None:
    with pytest.raises(SourceDownError) as caught:
        check_failures(failures(200, unread=200), 200, ScoreSettings(), "this wave")
    assert str(caught.value).startswith("the store did not give 200 of 200 pictures: 200 of 200")
    assert "bundle" not in str(caught.value)
    assert caught.value.exit_code == 4


def test_the_limit_that_is_suggested_is_one_that_is_allowed() -> None:
    with pytest.raises(FailureShareError, match=r"--set max_failure_share=1\.00$"):
        check_failures(failures(99), 100, ScoreSettings(), "this wave")


def test_failures_add_up_and_keep_a_few_examples() -> None:
    total = Failures()
    for number in range(5):
        one = Failures()
        one.add(PictureKey(f"{number}.png", "e", 1), "fetch", FetchUnavailableError("no answer"))
        one.add(PictureKey(f"{number}.jpg", "e", 1, tries=2), "decode", DecodeError("empty"))
        total += one
    assert (total.new, total.unread, total.again, total.all) == (5, 5, 5, 10)
    assert total.examples == [f"{number}.png (fetch: no answer)" for number in range(3)]
