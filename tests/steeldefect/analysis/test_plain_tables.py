"""An export as plain Parquet: the same rows as SQL has, complete or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.examples import finish, image, one_of_each, origin, publish

from steeldefect.analysis import plain_tables, result_parquet, sql
from steeldefect.analysis.sql import open_database, relation_names
from steeldefect.cli import main
from steeldefect.stores import Store
from steeldefect.tables.schema import SCHEMAS, TableName

SQL_VIEWS = re.compile(r"^- `(\w+)`(?:, `(\w+)`)?", re.MULTILINE)
REFUSED = 4


@pytest.fixture
def output(store: Store) -> Store:
    """Two runs: the second one scored a picture again, and its row has a map."""
    publish(store, one_of_each())
    again = image(verdict="clean", defects=0, attributes=[("grade", "DX51")])
    audited = one_of_each("b.png")
    for table in (TableName.PREDICTIONS, TableName.DEFECTS):
        audited[table][0]["audit"] = True
    publish(store, audited | {TableName.IMAGES: [again]}, origin(1))
    finish(store)
    finish(store, origin(1))
    return store


def export(output: Store, folder: Path, *more: str) -> int:
    return main(["export", "--parquet", str(folder), "--output", output.uri, *more])


def test_every_table_and_view_has_the_rows_that_sql_shows(output: Store, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    assert export(output, folder) == 0
    names = sorted(path.name for path in folder.iterdir())
    assert set(names) > {table.value for table in TableName}
    for name in names:
        with open_database(output) as connection:
            shown = connection.table(name).to_arrow_table()
        written = pq.read_table(folder / name)
        assert written.column_names == shown.column_names
        assert not any(map(pa.types.is_nested, written.schema.types))
        plain = [one.name for one in shown.schema if not pa.types.is_nested(one.type)]
        rows = [sorted(map(str, table.select(plain).to_pylist())) for table in (written, shown)]
        assert rows[0] == rows[1]


def test_the_views_are_those_that_the_module_of_sql_describes(output: Store) -> None:
    described = {name for pair in SQL_VIEWS.findall(sql.__doc__ or "") for name in pair if name}
    with open_database(output) as connection:
        assert set(relation_names(connection)) == described | {one.value for one in TableName}


def test_what_the_audit_found_is_apart(output: Store, tmp_path: Path) -> None:
    assert export(output, tmp_path / "plain") == 0
    for table in ("predictions", "defects"):
        assert pq.read_table(tmp_path / "plain" / table)["key"].to_pylist() == ["a.png"]
        audited = pq.read_table(tmp_path / "plain" / f"audit_{table}")
        assert audited["key"].to_pylist() == ["b.png"]


def test_lists_and_maps_are_json(output: Store, tmp_path: Path) -> None:
    assert export(output, tmp_path / "plain") == 0
    levels = pd.read_parquet(tmp_path / "plain/mask_levels")
    assert [json.loads(text) for text in levels["starts"]] == [[1], [1]]
    newest = pd.read_parquet(tmp_path / "plain/newest_images")
    assert [json.loads(text) for text in newest["attributes"]] == [{"grade": "DX51"}]
    first = pd.read_parquet(tmp_path / "plain/images").sort_values("scored_at")
    assert first["attributes"].isna().tolist() == [True, False]


def test_a_table_without_rows_keeps_its_columns(output: Store, tmp_path: Path) -> None:
    assert export(output, tmp_path / "plain", "--table", "repeats") == 0
    (file,) = (tmp_path / "plain/repeats").iterdir()
    found = pq.read_table(file)
    assert (file.name, found.num_rows) == ("part-0000.parquet", 0)
    assert found.column_names == SCHEMAS[TableName.REPEATS].columns.names


def test_a_large_table_has_several_files(store: Store, tmp_path: Path) -> None:
    keys = [f"{number:05d}.png" for number in range(70)]
    publish(store, {TableName.IMAGES: [image(key) for key in keys]})
    finish(store)
    with open_database(store) as connection, patch.object(result_parquet, "BATCH_ROWS", 16):
        counted: list[int] = []
        result_parquet.write_plain_parts(
            connection.table("images"), tmp_path / "images", "images", counted.append, 32
        )
    files = sorted((tmp_path / "images").iterdir())
    assert [file.name for file in files] == [f"part-{number:04d}.parquet" for number in range(3)]
    assert [pq.read_metadata(file).num_rows for file in files] == [32, 32, 6]
    assert sum(counted) == 70
    assert sorted(pq.read_table(tmp_path / "images")["key"].to_pylist()) == keys


def test_tables_can_be_chosen(
    output: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("--table", "runs", "--table", "newest_images", "--table", "runs")
    assert export(output, tmp_path / "plain", *chosen) == 0
    assert sorted(path.name for path in (tmp_path / "plain").iterdir()) == ["newest_images", "runs"]
    assert "2 rows in" in capsys.readouterr().out
    assert export(output, tmp_path / "other", "--table", "image") == 2
    assert "did you mean images?" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_an_earlier_export_is_replaced_only_on_request(
    output: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "plain"
    assert export(output, folder) == 0
    assert export(output, folder, "--table", "runs") == REFUSED
    assert "add --overwrite" in capsys.readouterr().err
    assert (folder / "images").exists()
    assert export(output, folder, "--table", "runs", "--overwrite") == 0
    assert [path.name for path in folder.iterdir()] == ["runs"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def touch(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")


def own_parquet(folder: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), folder / "runs/part-0001.parquet")


@pytest.mark.parametrize(
    "add",
    [
        lambda folder: touch(folder / "notes.txt"),
        lambda folder: touch(folder / ".hidden"),
        lambda folder: touch(folder / "runs/notes.txt"),
        lambda folder: touch(folder / "runs/part-0001.parquet"),
        lambda folder: (folder / "mine").mkdir(),
        lambda folder: (folder / "linked").symlink_to(folder / "runs"),
        lambda folder: (folder / "runs").rename(folder / "renamed"),
        own_parquet,
    ],
    ids=["file", "hidden", "in-table", "not-parquet", "folder", "link", "renamed", "own-parquet"],
)
def test_what_no_export_wrote_is_kept(
    output: Store,
    tmp_path: Path,
    add: Callable[[Path], object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "plain"
    assert export(output, folder, "--table", "runs") == 0
    add(folder)
    before = sorted(folder.rglob("*"))
    for more in ((), ("--overwrite",)):
        assert export(output, folder, *more) == REFUSED
        assert "which no export wrote; name a new folder" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_what_came_while_it_was_written_is_kept(output: Store, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    assert export(output, folder, "--table", "runs") == 0
    write = plain_tables.write_plain_parts

    def slow(*rest: object) -> None:
        write(*rest)  # type: ignore[arg-type]
        touch(folder / "notes.txt")

    with patch.object(plain_tables, "write_plain_parts", slow):
        assert export(output, folder, "--overwrite") == REFUSED
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "runs"]


@pytest.mark.parametrize("more", [(), ("--overwrite",)], ids=["new", "overwrite"])
def test_a_table_that_cannot_be_read_leaves_all_as_it_was(
    output: Store, tmp_path: Path, more: tuple[str, ...]
) -> None:
    folder = tmp_path / "plain"
    if more:
        assert export(output, folder, "--table", "runs") == 0
    (part, *_) = (Path(output.uri.removeprefix("file://")) / "images").glob("*/*.parquet")
    part.write_bytes(part.read_bytes()[:-40])
    assert export(output, folder, *more) != 0
    assert [path.name for path in folder.rglob("*")] == (
        ["runs", "part-0000.parquet"] if more else []
    )
    assert {path.name for path in tmp_path.iterdir()} == {"store"} | ({"plain"} if more else set())
