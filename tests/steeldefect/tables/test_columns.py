"""Tuples become the columns of a table, as rows would."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from support.examples import prediction

from steeldefect.pictures import run_lengths
from steeldefect.tables.columns import run_length_texts, stored_columns
from steeldefect.tables.provenance import Origin, stored_rows
from steeldefect.tables.schema import TableName

ORIGIN = Origin("r" * 8, "b" * 64, datetime(2026, 1, 2, tzinfo=UTC), 3)


def test_runs_become_the_texts_that_they_are_one_by_one() -> None:
    random = np.random.default_rng(0)
    masks = [
        np.sort(random.integers(1, 400_000, (count, 2)), axis=0) for count in (0, 1, 700, 0, 3)
    ]
    assert run_length_texts(masks).to_pylist() == [run_lengths.to_text(one) for one in masks]
    assert run_length_texts([]).to_pylist() == []


def test_columns_are_those_of_rows() -> None:
    shared = {*ORIGIN.columns, "source"}
    rows = [
        {name: value for name, value in prediction(key).items() if name not in shared}
        for key in ("a.jpg", "b/c.jpg")
    ]
    texts = [str(row["run_lengths"]) for row in rows]
    named = [row | {"source": "s3://plant/x"} for row in rows]
    expected = stored_rows(TableName.PREDICTIONS, named, ORIGIN)
    values = [
        tuple((row | {"run_lengths": run_lengths.parse(text)}).values())
        for row, text in zip(rows, texts, strict=True)
    ]
    found = stored_columns(
        TableName.PREDICTIONS, list(rows[0]), values, {"source": "s3://plant/x"}, ORIGIN
    )
    assert found.equals(expected)
    assert found.schema.equals(expected.schema, check_metadata=True)
