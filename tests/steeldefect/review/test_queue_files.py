"""A queue as text and as files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.reviewing import (
    Night,
)

from steeldefect.analysis.forms import Form
from steeldefect.review.pick import COLUMNS, Picked, ReviewQueue, Wanted, pick
from steeldefect.review.queue_files import queue_text, write_queue
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store

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


ODD = ["it's.png", 'a "quoted" one.png', "two\nlines.png", "100%.png", "日本 é.png", "a,b;c.png"]


def test_odd_keys_survive(store: Store, night: Night, tmp_path: Path) -> None:
    for seed, key in enumerate(ODD):
        night.scored(key, seed, gate_probability=0.012)
    night.end(store)
    queue = pick(store, ScoreSettings(), Wanted(random_share=0.5))
    assert {row.key for row in queue.rows} == set(ODD)
    assert not any("cannot be read" in row.reason for row in queue.rows)
    write_queue(queue, Form.CSV, tmp_path / "queue.csv")
    with (tmp_path / "queue.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["key"] for row in written] == [row.key for row in queue.rows]
    assert list(written[0]) == COLUMNS.names
    text = queue_text(queue)
    assert len(text.splitlines()) == 1 + len(ODD)
    assert r"two\nlines.png" in text


def test_forms_of_a_queue(store: Store, night: Night, tmp_path: Path) -> None:
    night.scored("a.png", 1, gate_probability=0.012)
    night.end(store)
    queue = pick(store, ScoreSettings(), NO_DRAW)
    for form in Form:
        write_queue(queue, form, tmp_path / form.value)
    assert pq.read_table(tmp_path / "parquet").to_pylist() == queue.table().to_pylist()
    assert json.loads((tmp_path / "json").read_text()) == queue.table().to_pylist()[0]
    text = (tmp_path / "table").read_text()
    assert text == queue_text(queue) + "\n"
    assert text.splitlines() == [
        "rank  kind  score  key    reason",
        "   1  gate   0.83  a.png  gate 0.012, threshold 0.010",
    ]


def test_an_empty_queue_has_its_columns(tmp_path: Path) -> None:
    write_queue(ReviewQueue((), ()), Form.CSV, tmp_path / "queue.csv")
    assert (tmp_path / "queue.csv").read_text() == ",".join(COLUMNS.names) + "\n"
