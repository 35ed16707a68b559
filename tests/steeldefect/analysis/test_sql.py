"""SQL over the tables, the views that analysts use, and Kaggle's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.examples import (
    BUNDLE,
    failure,
    finish,
    image,
    one_of_each,
    origin,
    prediction,
    publish,
)
from support.samples import run_program

from steeldefect.analysis.sql import choose_bundle, kaggle_rows, open_database, query, write_result
from steeldefect.cli import main
from steeldefect.errors import QueryError, TableError
from steeldefect.publish.runs import Outcome
from steeldefect.stores import Store
from steeldefect.tables.schema import SCHEMAS, TableName

OTHER = "c" * 64


def rows(store: Store, statement: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = query(store, statement).to_pylist()
    return found


def kaggle(
    store: Store, bundle: str | None = None, all_pairs: bool = False
) -> list[tuple[Any, ...]]:
    table = kaggle_rows(store, bundle, all_pairs)
    assert table.column_names == ["ImageId", "ClassId", "EncodedPixels"]
    return [tuple(row.values()) for row in table.to_pylist()]


def scored(key: str, *classes: int, **changes: Any) -> dict[TableName, list[dict[str, Any]]]:
    """Return rows of one picture and its findings."""
    found = [
        prediction(key, class_id=one, run_lengths=f"{one} 3")
        | {name: value for name, value in changes.items() if name == "source"}
        for one in classes
    ]
    verdict = "defect" if classes else "gated"
    picture = image(key, verdict=verdict, defects=len(classes), **changes)
    return {TableName.IMAGES: [picture]} | ({TableName.PREDICTIONS: found} if found else {})


def test_every_table_can_be_queried(any_store: Store) -> None:
    publish(any_store, one_of_each())
    finish(any_store)
    for table in TableName:
        found = query(any_store, f"SELECT * FROM {table.value}")  # noqa: S608
        assert found.column_names == SCHEMAS[table].columns.names
        expected = table in (*one_of_each(), TableName.RUNS)
        assert found.num_rows == int(expected), table


def test_rows_are_found_by_the_value_of_any_column(store: Store) -> None:
    publish(store, one_of_each("a.png"))
    publish(store, {TableName.IMAGES: [image("b.png", gate_probability=None)]}, origin(1))
    finish(store)
    finish(store, origin(1), error="why")
    connection = open_database(store)
    for table in (*one_of_each(), TableName.RUNS):
        for name in SCHEMAS[table].columns.names:
            values = connection.execute(f"SELECT {name} FROM {table.value}").fetchall()  # noqa: S608
            for value in values:
                same = connection.execute(
                    f"SELECT {name} FROM {table.value} WHERE {name} IS NOT DISTINCT FROM ?",  # noqa: S608
                    value,
                ).fetchall()
                assert value in same, (table, name)


def test_days_are_utc_wherever_the_analyst_sits(store: Store) -> None:
    publish(store, one_of_each())
    finish(store)
    program = (
        "import sys; from steeldefect.analysis.sql import *;"
        "from steeldefect.stores import open_store;"
        "statement = \"SELECT scored_at, date_trunc('day', scored_at)::DATE AS day FROM images\";"
        "print(write_result(query(open_store(sys.argv[1]), statement), 'csv'))"
    )
    ended = run_program("-c", program, store.uri, TZ="America/New_York")
    assert ended.out.splitlines()[1:] == ["2026-03-04 05:06:07.890123+00:00,2026-03-04"], ended.err


@pytest.mark.parametrize(
    ("condition", "keys"),
    [
        ("verdict = 'gated'", ["b"]),
        ("gate_probability > 0.5", ["a"]),
        ("gate_probability IS NULL", ["b"]),
        ("scored_at >= TIMESTAMPTZ '2026-03-04 06:00:00+00'", ["b"]),
        ("scored_date = DATE '2026-03-04'", ["a", "b"]),
        ("scored_date > DATE '2026-03-04'", []),
        ("bytes BETWEEN 900 AND 1100", ["a", "b"]),
        ("key IN ('a', 'x')", ["a"]),
    ],
)
def test_conditions_that_reach_the_files(store: Store, condition: str, keys: list[str]) -> None:
    publish(store, scored("a", 1))
    publish(store, scored("b", gate_probability=None), origin(1))
    finish(store)
    found = rows(store, f"SELECT key FROM images WHERE {condition} ORDER BY key")  # noqa: S608
    assert [row["key"] for row in found] == keys


def test_of_a_picture_that_was_scored_again_the_newest_row_counts(store: Store) -> None:
    publish(store, scored("a", 1))
    publish(store, scored("b", 1), wave=2)
    publish(store, scored("a", etag="e2"), origin(1))
    publish(store, scored("a", 2), origin(2, OTHER))
    finish(store)
    finish(store, origin(2, OTHER))
    newest = rows(store, "SELECT key, verdict, bundle FROM newest_images ORDER BY key, bundle")
    assert [(row["key"], row["verdict"], row["bundle"]) for row in newest] == [
        ("a", "gated", BUNDLE),
        ("a", "defect", OTHER),
        ("b", "defect", BUNDLE),
    ]
    assert kaggle(store, BUNDLE) == [("b", 1, "1 3")], "the old version's masks are not the new's"
    assert kaggle(store, OTHER) == [("a", 2, "2 3")]


def test_pictures_of_one_file_name_go_by_their_keys(store: Store) -> None:
    for wave, key in enumerate(("day1/a.png", "day2/a.png", "day2/b.png"), start=1):
        publish(store, scored(key, 1), wave=wave)
    finish(store)
    assert [name for name, *_ in kaggle(store)] == ["b.png", "day1/a.png", "day2/a.png"]


def test_pictures_of_one_key_in_two_inputs_go_by_their_addresses(store: Store) -> None:
    publish(store, scored("day1/a.png", 1, source="/line 1"))
    publish(store, scored("day1/a.png", 1, source="/line 2"), origin(1))
    publish(store, scored("day2/a.png", 1, source="/line 2"), origin(2))
    finish(store)
    names = [name for name, *_ in kaggle(store)]
    assert names == ["/line 1/day1/a.png", "/line 2/day1/a.png", "day2/a.png"]


def test_what_is_to_be_scored_again(store: Store) -> None:
    publish(store, {TableName.QUARANTINE: [failure("a"), failure("b"), failure("c")]}, origin(1))
    publish(store, scored("a"), origin(2))  # scored since
    publish(store, scored("b"), origin(0))  # scored before it failed, as an older version
    publish(store, scored("c"), origin(2, OTHER))  # by another bundle
    finish(store)
    found = rows(store, "SELECT key, stage FROM not_scored ORDER BY key")
    assert found == [{"key": "b", "stage": "decode"}, {"key": "c", "stage": "decode"}]


def test_kaggles_file_has_the_found_masks(any_store: Store) -> None:
    publish(any_store, scored("b.png", 2, 1))
    publish(any_store, scored("a.png"), origin(1))
    finish(any_store)
    assert kaggle(any_store) == [("b.png", 1, "1 3"), ("b.png", 2, "2 3")]


def test_all_pairs_have_a_row_for_every_picture_and_class(store: Store) -> None:
    publish(store, scored("b.png", 2))
    publish(store, scored("a.png"), origin(1))
    finish(store)
    finish(store, origin(1))
    assert kaggle(store, all_pairs=True) == [
        ("a.png", 1, ""),
        ("a.png", 2, ""),
        ("b.png", 1, ""),
        ("b.png", 2, "2 3"),
    ]


def test_the_latest_runs_bundle_is_taken(store: Store) -> None:
    publish(store, scored("a.png", 1), origin(0, OTHER))
    publish(store, scored("a.png", 2), origin(1))
    finish(store, origin(1))
    finish(store, origin(0, OTHER))
    finish(store, origin(2, "d" * 64), job="evaluate")
    assert kaggle(store) == [("a.png", 2, "2 3")]
    assert kaggle(store, "cc") == [("a.png", 1, "1 3")]


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ("ff", "no bundle begins with 'ff'"),
        ("ab", "2 bundles begin with ab; give more digits"),
        ("%", "no bundle begins with '%'"),
    ],
)
def test_a_bundle_that_is_not_one_is_refused(store: Store, wanted: str, problem: str) -> None:
    for number, digest in enumerate(("ab1" + "0" * 61, "ab2" + "0" * 61, "ab3" + "0" * 61)):
        finish(store, origin(number, digest))
        if not digest.startswith("ab3"):  # that run failed before its first wave
            publish(store, one_of_each(), origin(number, digest))
    connection = open_database(store)
    with pytest.raises(TableError, match=problem):
        choose_bundle(connection, wanted)
    assert choose_bundle(connection, "ab1") == "ab1" + "0" * 61
    assert choose_bundle(connection, None) == "ab2" + "0" * 61


def test_only_evaluations_are_no_scoring_run(store: Store) -> None:
    finish(store, job="evaluate", outcome=Outcome.SUCCESS)
    with pytest.raises(TableError, match="nothing was scored"):
        kaggle_rows(store, None, all_pairs=False)


@pytest.mark.parametrize(
    "statement",
    ["SELECT nothing FROM images", "SELEC 1", "SELECT * FROM pictures", "SELECT 1/'x'", ";;("],
)
def test_a_statement_that_duckdb_refuses_is_an_error(store: Store, statement: str) -> None:
    finish(store)
    with pytest.raises(QueryError) as caught:
        query(store, statement)
    tables = ", ".join(table.value for table in TableName)
    assert f"tables: {tables}" in str(caught.value)


def test_a_statement_without_a_result(store: Store) -> None:
    finish(store)
    assert query(store, "SET threads = 1").num_rows == 0


def test_no_tables_are_named(any_store: Store) -> None:
    for ask in (
        lambda: open_database(any_store),
        lambda: query(any_store, "SELECT 1"),
        lambda: kaggle_rows(any_store, None, all_pairs=False),
    ):
        with pytest.raises(TableError, match=f"no tables at {any_store.uri}; --output is"):
            ask()


def test_asking_changes_nothing(store: Store) -> None:
    publish(store, one_of_each())
    finish(store)
    before = sorted((found.key, found.etag) for found in store.scan())
    query(store, "SELECT * FROM images")
    with pytest.raises(QueryError):
        query(store, "DELETE FROM images")
    assert sorted((found.key, found.etag) for found in store.scan()) == before


def test_who_asks_while_a_wave_is_being_published_is_told(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    finish(store)
    query(store, "SELECT 1")
    assert caplog.messages == []
    store.write("_waves/run-000001.json", b"decided, but not yet carried out")
    query(store, "SELECT 1")
    assert len(caplog.messages) == 1
    assert "some tables may not have its rows yet" in caplog.messages[0]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("csv", "key,gate_probability,scored_at\na.png,0.75,2026-03-04 05:06:07.890123+00:00"),
        (
            "json",
            '{"key":"a.png","gate_probability":0.75,"scored_at":"2026-03-04T05:06:07.890123Z"}',
        ),
    ],
)
def test_results_as_text(store: Store, form: str, expected: str) -> None:
    publish(store, one_of_each())
    finish(store)
    table = query(store, "SELECT key, gate_probability, scored_at FROM images")
    assert write_result(table, form) == expected


def test_results_for_people(store: Store) -> None:
    publish(store, {TableName.PREDICTIONS: [prediction(run_lengths="1 2 " * 100)]})
    finish(store)
    text = write_result(query(store, "SELECT key, run_lengths FROM predictions"), "table")
    assert text.splitlines()[0].split() == ["key", "run_lengths"]
    assert "a.png" in text
    assert len(text) < 300, "long cells are cut"
    empty = write_result(query(store, "SELECT key, etag FROM images"), "table")
    assert empty == "(no rows) key, etag"


def test_the_command_prints_the_result(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    publish(store, one_of_each())
    finish(store)
    arguments = ["sql", "SELECT key, bytes FROM images", "--output", store.uri, "--format", "json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == {"key": "a.png", "bytes": 1000}
    assert main(["sql", "SELECT x", "--output", store.uri]) == QueryError.exit_code
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1


def test_the_command_writes_kaggles_file(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(store, scored("a.png", 1))
    publish(store, scored("b.png"), origin(1))
    finish(store)
    file = tmp_path / "new folder/submission.csv"
    assert main(["export-kaggle", str(file), "--output", store.uri, "--all-pairs"]) == 0
    assert file.read_text() == (
        "ImageId,ClassId,EncodedPixels\na.png,1,1 3\na.png,2,\nb.png,1,\nb.png,2,\n"
    )
    assert capsys.readouterr().out == f"4 rows in {file}\n"
    assert main(["export-kaggle", str(file), "--output", str(tmp_path / "none")]) == 10


def test_of_findings_the_newest_runs_count(store: Store) -> None:
    publish(store, scored("a", 1))
    publish(store, scored("a", 2, etag="e2"), origin(1))
    publish(store, scored("a", 3), origin(2, OTHER))
    finish(store)
    found = rows(store, "SELECT bundle, class_id FROM newest_predictions ORDER BY class_id")
    assert found == [{"bundle": BUNDLE, "class_id": 2}, {"bundle": OTHER, "class_id": 3}]


def test_who_names_no_bundle_is_told_where_there_are_several(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    publish(store, scored("a", 1))
    finish(store)
    kaggle(store)
    assert caplog.messages == []
    publish(store, scored("a", 1), origin(1, OTHER))
    kaggle(store)
    (message,) = caplog.messages
    assert message.startswith(f"2 bundles have scored here; taking the latest, {OTHER[:12]}; ")
    caplog.clear()
    kaggle(store, BUNDLE)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("form", "expected"), [("csv", 'n\n1\n""'), ("json", '{"n":1}\n{"n":null}')]
)
def test_whole_numbers_beside_nulls_stay_whole(store: Store, form: str, expected: str) -> None:
    finish(store)
    assert write_result(query(store, "SELECT unnest([1, NULL]) AS n"), form) == expected
