"""Complete, valid rows, parts and origins for tests; a test changes only what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from steeldefect.errors import StoreUnavailableError
from steeldefect.publish.claims import newest_number
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.runs import Outcome, RunRecord, record_run
from steeldefect.publish.wave_records import RECORDS, WaveRecord
from steeldefect.stores import Fetched, FetchLimits, ObjectInfo, Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.parts import Part, write_part
from steeldefect.tables.provenance import Origin, stored_rows
from steeldefect.tables.schema import TableName

WRITTEN = (
    *(TableName.IMAGES, TableName.PREDICTIONS, TableName.DEFECTS, TableName.MASK_LEVELS),
    TableName.QUARANTINE,
)
Visible = dict[TableName, list[str]]

Row = dict[str, Any]
Rows = dict[TableName, list[Row]]

SECRET = "a-secret-that-nobody-may-print"
BUCKET = "plant"
BUNDLE = "b" * 64
MORNING = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
ORIGIN = Origin("20260304T050607-0123abcd", BUNDLE, MORNING)


def still_holds() -> None:
    """Accept every publication: a check for writers that need no lease."""


def origin(number: int = 0, bundle: str = BUNDLE) -> Origin:
    """Return the origin of a run; each number is one hour later than the number before."""
    return Origin(f"run-{number}", bundle, MORNING + timedelta(hours=number))


def picture(key: str, source: str = "/archive") -> Row:
    """Return the columns that identify a picture."""
    return {"source": source, "key": key, "image_id": key.rsplit("/", 1)[-1]}


def image(key: str = "a.png", **changes: Any) -> Row:
    """Return a row of `images`."""
    row: Row = {
        "etag": "e1",
        "bytes": 1_000,
        "width": 128,
        "height": 64,
        "gate_probability": 0.75,
        "verdict": "defect",
        "defects": 1,
        "runtime": "openvino",
        "device": "cpu",
        "precision": "f32",
        "regions": 1,
        "rejected_regions": 0,
        "level_masks": 0,
    }
    return picture(key) | row | changes


def prediction(key: str = "a.png", **changes: Any) -> Row:
    """Return a row of `predictions`: three pixels at the top of the first column."""
    row: Row = {
        "class_id": 1,
        "class_name": "bright",
        "run_lengths": "1 3",
        "area": 3,
        "share": 3 / (64 * 128),
        "box_top": 0,
        "box_left": 0,
        "box_bottom": 3,
        "box_right": 1,
        "regions": 1,
        "mean_probability": 0.875,
        "max_probability": 1.0,
        "audit": False,
    }
    return picture(key) | row | changes


def defect(key: str = "a.png", **changes: Any) -> Row:
    """Return a row of `defects`: the one region of `prediction`."""
    row: Row = {
        "number": 1,
        "class_id": 1,
        "class_name": "bright",
        "kept": True,
        "audit": False,
        "run_lengths": "1 3",
        "area": 3,
        "centroid_x": 0.0,
        "centroid_y": 1.0,
        "box_top": 0,
        "box_left": 0,
        "box_bottom": 3,
        "box_right": 1,
        "length": 3.0,
        "width": 1.0,
        "angle": 90.0,
        "perimeter": 7.125,
        "elongation": 3.0,
        "solidity": 1.0,
        "mean_probability": 0.875,
        "max_probability": 1.0,
        "touches_edge": True,
    }
    return picture(key) | row | changes


def level(key: str = "a.png", **changes: Any) -> Row:
    """Return a row of `mask_levels`: a smaller mask of `prediction` at a higher threshold."""
    row: Row = {
        "class_id": 1,
        "class_name": "bright",
        "level": 0.75,
        "starts": [1],
        "lengths": [2],
        "area": 2,
        "regions": 1,
        "mean_probability": 0.9375,
        "max_probability": 1.0,
    }
    return picture(key) | row | changes


def failure(key: str = "a.png", **changes: Any) -> Row:
    """Return a row of `quarantine`."""
    row: Row = {
        "etag": "e1",
        "bytes": 0,
        "stage": "decode",
        "error": "DecodeError",
        "message": "empty file: 0 bytes",
        "transient": False,
        "tries": 1,
        "given_up": True,
    }
    return picture(key) | row | changes


def one_of_each(key: str = "a.png") -> Rows:
    """Return one row for each table that a wave writes."""
    return {
        TableName.IMAGES: [image(key, level_masks=1)],
        TableName.PREDICTIONS: [prediction(key)],
        TableName.DEFECTS: [defect(key)],
        TableName.MASK_LEVELS: [level(key)],
        TableName.QUARANTINE: [failure(f"broken-{key}")],
    }


def write(store: Store, rows: Rows, made: Origin = ORIGIN) -> list[Part]:
    """Write rows as parts, as a task does; they are not visible yet."""
    return [
        write_part(store, table, stored_rows(table, some, made), made, "000001-000000")
        for table, some in rows.items()
    ]


def publish(store: Store, rows: Rows, made: Origin = ORIGIN, wave: int = 1) -> WaveRecord:
    """Write rows as parts, publish them as one wave, and return its record."""
    record = WaveRecord(made.run_id, wave, write(store, rows, made))
    WaveLog(Tables(store)).publish(record, still_holds)
    return record


def recover(store: Store) -> list[WaveRecord]:
    """Recover as the next holder of the output does; return the completed records."""
    return WaveLog(Tables(store)).recover(newest_number(store) + 1)


def finish(store: Store, made: Origin = ORIGIN, **changes: Any) -> None:
    """Write the row of a scoring run to `runs`."""
    classes = '{"1": "bright", "2": "dark"}'
    values: Row = {"source": "/archive", "outcome": Outcome.SUCCESS, "seconds": 1.0}
    record_run(
        Tables(store), made, RunRecord(**{"job": "score", "classes": classes} | values | changes)
    )


def visible(store: Store) -> Visible:
    """Return the keys in each table that a wave writes."""
    tables = Tables(store)
    return {table: sorted(tables.read(table, ["key"])["key"].to_pylist()) for table in WRITTEN}


def expected(*keys: str) -> Visible:
    return {
        table: sorted(row["key"] for key in keys for row in one_of_each(key)[table])
        for table in WRITTEN
    }


def records(store: Store) -> list[str]:
    return [found.key for found in store.scan(RECORDS)]


class UnreachableStore:
    """A store that does not answer: every request raises the error that follows the retries."""

    def __init__(self, inner: Store) -> None:
        self.uri = inner.uri
        self._inner = inner

    def scan(self, prefix: str = "") -> Iterator[ObjectInfo]:
        raise StoreUnavailableError(f"{self.uri}/{prefix}: no answer")

    def read(self, key: str) -> bytes:
        raise StoreUnavailableError(f"{self.uri}/{key}: no answer")

    def fetch(self, key: str, limits: FetchLimits) -> Fetched:
        raise StoreUnavailableError(f"{self.uri}/{key}: no answer")

    def write(self, key: str, data: bytes) -> None:
        raise StoreUnavailableError(f"{self.uri}/{key}: no answer")

    def write_new(self, key: str, data: bytes) -> None:
        raise StoreUnavailableError(f"{self.uri}/{key}: no answer")

    def delete(self, key: str) -> None:
        raise StoreUnavailableError(f"{self.uri}/{key}: no answer")

    def delta_uri(self, key: str) -> str:
        return self._inner.delta_uri(key)

    def delta_options(self) -> dict[str, str]:
        return self._inner.delta_options()
