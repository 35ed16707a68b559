"""Results of SQL as people and programs receive them: table, CSV, JSON, Parquet, pipes, files."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from support.examples import finish, image, one_of_each, publish
from support.samples import ROOT, Ended

from steeldefect.analysis.forms import Form
from steeldefect.analysis.results import text_pieces, write_file, write_result
from steeldefect.analysis.sql import query
from steeldefect.cli import main
from steeldefect.errors import AlreadyExistsError, QueryError, SettingsError
from steeldefect.stores import Store, open_store
from steeldefect.tables.schema import TableName

AWKWARD = 'new\nline\r\x1b[2J\u202e "q", é 日 😀 \x7f\x85\u2028.jpg'


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def text(database: duckdb.DuckDBPyConnection, form: Form, query: str, *params: Any) -> str:
    relation = database.sql(query, params=list(params))
    return "".join(piece.text for piece in text_pieces(relation, form))


# SQL, then the value in CSV, in JSON, in Parquet
VALUES = [
    ("1::TINYINT", "1", 1, 1),
    ("9223372036854775807", "9223372036854775807", 9223372036854775807, 9223372036854775807),
    ("sum(2)", "2", 2, Decimal(2)),
    (
        "170141183460469231731687303715::HUGEINT",
        "170141183460469231731687303715",
        170141183460469231731687303715,
        Decimal("170141183460469231731687303715"),
    ),
    (
        "340282366920938463463374607431768211455::UHUGEINT",
        "340282366920938463463374607431768211455",
        340282366920938463463374607431768211455,
        "340282366920938463463374607431768211455",
    ),
    ("1.50::DECIMAL(10,2)", "1.50", 1.5, Decimal("1.50")),
    ("0.1::FLOAT", "0.1", 0.1, pytest.approx(0.1)),
    ("1e-7::DOUBLE", "1e-07", 1e-7, 1e-7),
    ("'inf'::DOUBLE", "inf", None, float("inf")),
    ("true", "True", True, True),
    ("NULL", "", None, None),
    ("''", "", "", ""),
    ("'a, \"b\"'", 'a, "b"', 'a, "b"', 'a, "b"'),
    ("DATE '2026-03-04'", "2026-03-04", "2026-03-04", date(2026, 3, 4)),
    ("TIME '01:02:03'", "01:02:03", "01:02:03", time(1, 2, 3)),
    (
        "TIMESTAMP '2026-03-04 05:06:07'",
        "2026-03-04 05:06:07",
        "2026-03-04T05:06:07.000000",
        datetime(2026, 3, 4, 5, 6, 7),
    ),
    (
        "TIMESTAMPTZ '2026-03-04 05:06:07.5+00'",
        "2026-03-04 05:06:07.500000+00:00",
        "2026-03-04T05:06:07.500000Z",
        datetime(2026, 3, 4, 5, 6, 7, 500000, UTC),
    ),
    ("'infinity'::TIMESTAMPTZ", "infinity", "infinity", ...),
    ("'infinity'::DATE", "infinity", "infinity", ...),
    ("INTERVAL '1 month 3 days'", "1 month 3 days", "1 month 3 days", "1 month 3 days"),
    (
        "'00000000-0000-0000-0000-00000000000a'::UUID",
        "00000000-0000-0000-0000-00000000000a",
        "00000000-0000-0000-0000-00000000000a",
        "00000000-0000-0000-0000-00000000000a",
    ),
    (r"'\x00a\xFF'::BLOB", r"\x00a\xFF", r"\x00a\xFF", b"\x00a\xff"),
    ("'101'::BIT", "101", "101", "101"),
    ("'x'::ENUM('x', 'y')", "x", "x", "x"),
    ("TIMETZ '01:02:03+01'", "01:02:03+01", "01:02:03+01", "01:02:03+01"),
    ("['a', NULL]", '["a",null]', ["a", None], ["a", None]),
    ("['nan'::DOUBLE]", "[NaN]", [None], ...),
    ("{'x': 1, 'y': ['é']}", '{"x":1,"y":["é"]}', {"x": 1, "y": ["é"]}, {"x": 1, "y": ["é"]}),
    ("MAP {1: 2}", '{"1":2}', {"1": 2}, [(1, 2)]),
    ("union_value(k := 1)", '{"k":1}', {"k": 1}, "1"),
    ("""'{"a": [1]}'::JSON""", '{"a":[1]}', {"a": [1]}, ...),
    ("{'wait': INTERVAL 3 DAY}", '{"wait":"3 days"}', {"wait": "3 days"}, "{'wait': 3 days}"),
]


@pytest.mark.parametrize(("sql", "in_csv", "in_json", "in_parquet"), VALUES, ids=lambda one: "")
def test_values_of_every_type(
    database: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    sql: str,
    in_csv: str,
    in_json: Any,
    in_parquet: Any,
) -> None:
    query = f"SELECT {sql} AS value, 7 AS other"
    written = text(database, Form.CSV, query)
    (_, row) = csv.reader(io.StringIO(written, newline=""))
    assert row == [in_csv, "7"]
    assert json.loads(text(database, Form.JSON, query)) == {"value": in_json, "other": 7}
    assert "7" in text(database, Form.TABLE, query)
    assert write_file(database.sql(query), Form.PARQUET, tmp_path / "a.parquet") == 1
    (found,) = pq.read_table(tmp_path / "a.parquet")["other"].to_pylist()
    assert found == 7
    if in_parquet is not ...:
        (found,) = pq.read_table(tmp_path / "a.parquet")["value"].to_pylist()
        assert found == in_parquet


def test_columns_of_one_name(database: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    query = "SELECT 1 AS key, 2 AS key, 3 AS key_1"
    assert text(database, Form.CSV, query) == "key,key,key_1\n1,2,3\n"
    assert json.loads(text(database, Form.JSON, query)) == {"key": 1, "key_1": 2, "key_1_1": 3}
    assert text(database, Form.TABLE, query).split() == ["key", "key", "key_1", "1", "2", "3"]
    write_file(database.sql(query), Form.PARQUET, tmp_path / "a.parquet")
    assert pq.read_schema(tmp_path / "a.parquet").names == ["key", "key_1", "key_1_1"]


def test_empty_results(database: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    query = "SELECT 1 AS a, 'x' AS b WHERE false"
    assert text(database, Form.CSV, query) == "a,b\n"
    assert text(database, Form.JSON, query) == ""
    assert text(database, Form.TABLE, query) == "(no rows) a, b\n"
    assert write_file(database.sql(query), Form.PARQUET, tmp_path / "a.parquet") == 0
    assert pq.read_table(tmp_path / "a.parquet").column_names == ["a", "b"]


def test_no_key_moves_the_cursor_and_csv_keeps_every_character(
    database: duckdb.DuckDBPyConnection,
) -> None:
    query = 'SELECT $1 AS key, 1 AS "a\x1b[1m"'
    shown = text(database, Form.TABLE, query, AWKWARD)
    assert shown.replace("\n", "").isprintable()
    assert shown.count("\n") == 2
    assert r"new\nline\r\x1b[2J\u202e" in shown
    assert "é 日 😀" in shown, "letters are no escapes"
    header, row = csv.reader(io.StringIO(text(database, Form.CSV, query, AWKWARD), newline=""))
    assert (header, row) == (["key", "a\x1b[1m"], [AWKWARD, "1"])
    line = text(database, Form.JSON, query, AWKWARD)
    assert line.isascii()
    assert line.rstrip("\n").isprintable()
    assert json.loads(line)["key"] == AWKWARD


@pytest.mark.parametrize("form", [Form.CSV, Form.JSON])
def test_rows_come_batch_by_batch_in_their_order(
    database: duckdb.DuckDBPyConnection, form: Form
) -> None:
    relation = database.sql("SELECT range AS n FROM range(100000) ORDER BY n DESC")
    pieces = list(text_pieces(relation, form))
    assert len(pieces) > 5
    assert max(len(piece.text) for piece in pieces) < 400_000
    assert sum(piece.rows for piece in pieces) == 100_000
    whole = "".join(piece.text for piece in pieces).splitlines()
    assert "99999" in whole[form is Form.CSV]
    assert whole[-1] in ("0", '{"n":0}')


@pytest.fixture
def output(store: Store) -> Store:
    """Publish two pictures to an output."""
    publish(store, {TableName.IMAGES: [image("a.png"), image(AWKWARD)]})
    finish(store)
    return store


def command(*words: str, output: Store) -> list[str]:
    return [sys.executable, "-m", "steeldefect.cli", "sql", *words, "--output", output.uri]


def run(*words: str, output: Store, **environment: str) -> Ended:
    done = subprocess.run(
        command(*words, output=output),
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1"))


@pytest.mark.parametrize("form", ["csv", "json", "table"])
def test_a_reader_that_has_had_enough_is_no_error(output: Store, form: str) -> None:
    words = command("SELECT * FROM range(1000000)", "--format", form, output=output)
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(120) == 0
        assert process.stderr.read() == b""


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_an_output_that_is_not_utf_8(output: Store, encoding: str) -> None:
    query = "SELECT 'é 日' AS \"ü\""
    csv_file = run(query, "--format", "csv", output=output, PYTHONIOENCODING=encoding)
    assert (csv_file.code, csv_file.err) == (0, "")
    assert csv_file.out.encode("latin-1").decode() == "ü\né 日\n"
    table = run(query, output=output, PYTHONIOENCODING=encoding)
    assert (table.code, table.err) == (0, "")
    expected = "é 日".encode(encoding, "backslashreplace").decode("latin-1")
    assert table.out.splitlines()[1].strip() == expected


def test_a_plain_c_locale(output: Store) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = run("SELECT * FROM images", output=output, **plain)
    assert (ended.code, ended.err) == (0, "")
    assert r"\u65e5" in ended.out


def test_an_error_in_the_middle_is_one_line(output: Store, tmp_path: Path) -> None:
    query = "SELECT CASE WHEN range < 90000 THEN 1 ELSE CAST('x' AS INT) END FROM range(100000)"
    file = tmp_path / "new/result.csv"
    for more in (["--format", "csv"], ["--to", str(file)], ["--to", f"{file}.parquet"]):
        ended = run(query, *more, output=output)
        assert ended.code == QueryError.exit_code
        assert ended.err.startswith("error: Conversion Error")
        assert ended.err.count("\n") == 1
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("form", ["csv", "table"])
def test_a_data_file_that_is_gone_or_broken_is_named(
    store: Store, capsys: pytest.CaptureFixture[str], damage: Any, form: str
) -> None:
    publish(store, one_of_each())
    finish(store)
    (file,) = Path(store.uri, "images").glob("scored_date=*/*.parquet")
    damage(file)
    assert main(["sql", "SELECT * FROM images", "--output", store.uri, "--format", form]) == 10
    error = capsys.readouterr().err
    assert f"table {store.uri}/images: " in error
    assert file.name in error


def test_files_get_their_form_from_their_names(
    output: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, begins in (
        ("a.csv", b"key\n"),
        ("a.json", b'{"key":'),
        ("a.parquet", b"PAR1"),
        ("a.txt", b" "),
    ):
        file = tmp_path / "new" / name
        query = ["sql", "SELECT key FROM images", "--output", output.uri, "--to", str(file)]
        assert main(query) == 0
        assert capsys.readouterr().out == f"2 rows in {file}\n"
        assert file.read_bytes().startswith(begins)
    assert pq.read_table(tmp_path / "new/a.parquet")["key"].to_pylist() == ["a.png", AWKWARD]


def test_a_file_is_kept_unless_it_may_be_overwritten(
    output: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "train.csv"
    file.write_text("somebody's labels")
    sql = ["sql", "SELECT 1", "--output", output.uri, "--to", str(file)]
    export = ["export-kaggle", str(file), "--output", output.uri]
    for words in (sql, export):
        assert main(words) == AlreadyExistsError.exit_code
        assert f"{file} exists; name another file, or add --overwrite" in capsys.readouterr().err
        assert file.read_text() == "somebody's labels"
        assert main([*words, "--overwrite"]) == 0
        assert file.read_text() != "somebody's labels"
        file.write_text("somebody's labels")


def test_parquet_goes_to_no_terminal(output: Store, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sql", "SELECT 1", "--output", output.uri]
    assert main([*words, "--format", "parquet"]) == SettingsError.exit_code
    assert "add --to FILE.parquet" in capsys.readouterr().err
    assert main([*words, "--to", "result"]) == SettingsError.exit_code
    message = capsys.readouterr().err
    assert "result: unknown file name ending; " in message
    assert "or add --format" in message


def test_a_statement_without_a_result_writes_no_file(output: Store, tmp_path: Path) -> None:
    words = ["sql", ";", "--output", output.uri]
    assert main(words) == 0
    assert main([*words, "--to", str(tmp_path / "a.csv")]) == QueryError.exit_code
    assert list(tmp_path.glob("a.csv")) == []


def test_maps_and_lists_of_the_tables_are_written(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "output"))
    rows = one_of_each("a.png")
    rows[TableName.IMAGES][0]["attributes"] = [("heat", "h1"), ("grade", "7")]
    publish(store, rows)
    finish(store)
    found = query(store, "select attributes, starts from images join mask_levels using (key)")
    header, line = csv.reader(io.StringIO(write_result(found, "csv")))
    assert header == ["attributes", "starts"]
    assert [json.loads(cell) for cell in line] == [{"heat": "h1", "grade": "7"}, [1]]
    assert write_result(found, "json") == '{"attributes":{"heat":"h1","grade":"7"},"starts":[1]}'
    assert "h1" in write_result(found, "table")
