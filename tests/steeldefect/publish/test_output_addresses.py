"""Addresses of tables: each address that is not refused works with every library that is used."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from deltalake import DeltaTable
from support.examples import (
    BUCKET,
    ORIGIN,
    expected,
    failure,
    finish,
    one_of_each,
    publish,
    visible,
)

from steeldefect.analysis.sql import query
from steeldefect.errors import SettingsError
from steeldefect.publish.foreign_tables import require_own_tables
from steeldefect.stores import S3Settings, Store, open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import stored_rows
from steeldefect.tables.schema import PARTITION, SCHEMAS, TableName

ACCEPTED = (
    "!\"#$&'()*+,-.:;<=>?@_`{}~",
    *(" ab ", "a.", "..a", "100%", "a%zb%"),
    "ü u\u0308 日本 😀 עברית a\u200bb\u00a0",
)
ON_S3_ALONE = ("a\\b", "a[b", "a]b", "a|b", "a^b")
REFUSED = ("a%20b", "%2F", "%2e%2e", "a%C3%A9", "a\tb", "a\nb", "a\rb", "\x01", "\x7f", "\u2028")


def stores(kind: str, name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Store:
    if kind == "local":
        return open_store(str(tmp_path / "out" / name / "tables"))
    address: str = request.getfixturevalue("s3_address")
    return open_store(f"{address}/{name}/tables", request.getfixturevalue("s3"))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *[("local", name) for name in ACCEPTED],
        *[("s3", name) for name in (*ACCEPTED, "".join(ON_S3_ALONE))],
    ],
)
def test_tables_work_end_to_end(
    kind: str, name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store = stores(kind, name, tmp_path, request)
    require_own_tables(store)
    tables = Tables(store)
    tables.create_all()
    publish(store, one_of_each())
    finish(store)
    rows = stored_rows(TableName.QUARANTINE, [failure("r.png")], ORIGIN)
    dates = rows["scored_at"].cast("date32")
    tables.replace(
        TableName.QUARANTINE,
        rows.append_column(SCHEMAS[TableName.QUARANTINE].columns.field(PARTITION), dates),
        {"key": "r.png"},
    )
    wanted = expected("a.png")
    wanted[TableName.QUARANTINE].append("r.png")
    assert visible(store) == wanted
    assert query(store, "SELECT count(*) AS rows FROM runs").to_pylist() == [{"rows": 1}]
    for table in wanted:
        delta = DeltaTable(store.delta_uri(table.value), storage_options=store.delta_options())
        assert sorted(delta.to_pyarrow_table()["key"].to_pylist()) == wanted[table]
    require_own_tables(store)
    top = {key.split("/")[0] for key in _everything(kind, tmp_path, request)}
    assert top == {name}, "everything lies where the address says"


def _everything(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> list[str]:
    """List the files that any library wrote below the folder of the test."""
    if kind == "local":
        root = tmp_path / "out"
        return [path.relative_to(root).as_posix() for path in root.rglob("*")]
    settings: S3Settings = request.getfixturevalue("s3")
    prefix = request.getfixturevalue("s3_address").removeprefix(f"s3://{BUCKET}/") + "/"
    client = boto3.client("s3", endpoint_url=settings.endpoint_url, region_name=settings.region)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [one["Key"].removeprefix(prefix) for page in pages for one in page["Contents"]]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *[("local", name) for name in (*REFUSED, *ON_S3_ALONE)],
        *[("s3", name) for name in (*REFUSED, "a//b")],
    ],
)
def test_what_would_not_work_is_refused_and_nothing_written(
    kind: str, name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store = stores(kind, name, tmp_path, request)
    with pytest.raises(SettingsError, match=r"the Delta library misreads .* choose an --output"):
        require_own_tables(store)
    with pytest.raises(SettingsError, match="the Delta library misreads"):
        Tables(store).create_all()
    assert list(tmp_path.iterdir()) == []
    assert list(store.scan()) == []


@pytest.mark.parametrize("name", ["lot9#a", "lot9?a", "lot9 ", "lot9%"])
def test_an_address_never_resolves_to_its_neighbour(
    name: str, s3: S3Settings, s3_address: str
) -> None:
    neighbour = open_store(f"{s3_address}/lot9", s3)
    publish(neighbour, one_of_each("neighbour.png"))
    store = open_store(f"{s3_address}/{name}", s3)
    publish(store, one_of_each("own.png"))
    assert visible(store) == expected("own.png")
    assert visible(neighbour) == expected("neighbour.png")
