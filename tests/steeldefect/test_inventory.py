"""Keys from an inventory: S3's own reports, and tables of any making."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import boto3
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from examples import BUCKET

from steeldefect.errors import DataError, EmptyInputError
from steeldefect.inventory import read_inventory
from steeldefect.listing import LISTING, list_pictures
from steeldefect.settings import ScoreSettings
from steeldefect.stores import S3Settings, open_store

INCLUDE = ScoreSettings().include
NAMES = ("a.png", "line 1/b+c.png", "line 1/Übersicht.jpg", "line 1/readme.txt", "100%.png")
HEADER = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag"


def read(uri: str, source: str, settings: S3Settings | None = None) -> list[dict[str, Any]]:
    settings = settings or S3Settings()
    found = read_inventory(uri, open_store(source, settings), INCLUDE, settings)
    assert found.schema == LISTING
    rows: list[dict[str, Any]] = found.sort_by("key").to_pylist()
    return rows


def write_table(folder: Path, name: str, **columns: list[Any]) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if name.endswith(".parquet"):
        pq.write_table(table, path)
    else:
        buffer = io.BytesIO()
        pa_csv.write_csv(table, buffer)
        data = buffer.getvalue()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return str(path)


@pytest.mark.parametrize("form", ["CSV", "Parquet"])
def test_a_report_of_s3_says_what_listing_says(form: str, s3: S3Settings, s3_address: str) -> None:
    source = open_store(f"{s3_address}/archive", s3)
    for name in NAMES:
        source.write(name, name.encode())
    open_store(s3_address, s3).write("elsewhere.png", b"not below the input")
    client = boto3.client("s3", endpoint_url=s3.endpoint_url, region_name=s3.region)
    prefix = s3_address.removeprefix(f"s3://{BUCKET}/")
    objects = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    uri = write_report(form, objects, s3, s3_address)
    listed = list_pictures(source, INCLUDE).sort_by("key").to_pylist()
    assert len(listed) == 4
    assert read(uri, source.uri, s3) == listed


def write_report(form: str, objects: list[dict[str, Any]], s3: S3Settings, address: str) -> str:
    """Write an inventory as S3 does: its CSV files have no header, and encoded keys."""
    prefix = address.removeprefix(f"s3://{BUCKET}/")
    store = open_store(f"s3://{BUCKET}", s3)
    rows = [(one["Key"], True, False, one["Size"], one["ETag"].strip('"')) for one in objects]
    # an earlier version of one picture, and one that was deleted
    rows += [
        (rows[0][0], False, False, 1, "older"),
        (f"{prefix}/archive/gone.png", True, True, 0, ""),
    ]
    buffer = io.BytesIO()
    if form == "CSV":
        lines = [
            f'"{BUCKET}","{quote_plus(key, safe="/")}","v","{str(latest).lower()}",'
            f'"{str(deleted).lower()}","{size}","{etag}"\n'
            for key, latest, deleted, size, etag in rows
        ]
        buffer.write(gzip.compress("".join(lines).encode()))
    else:
        names = ("key", "is_latest", "is_delete_marker", "size", "e_tag")
        pq.write_table(pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), buffer)
    suffix = "csv.gz" if form == "CSV" else "parquet"
    data_key = f"{prefix}/report/data/1.{suffix}"
    store.write(data_key, buffer.getvalue())
    manifest = {
        "sourceBucket": BUCKET,
        "destinationBucket": f"arn:aws:s3:::{BUCKET}",
        "fileFormat": form,
        "fileSchema": HEADER if form == "CSV" else "message s3.inventory { required binary key; }",
        "files": [{"key": data_key, "size": len(buffer.getvalue())}],
    }
    store.write(f"{prefix}/report/manifest.json", json.dumps(manifest).encode())
    return f"{address}/report/manifest.json"


@pytest.mark.parametrize("name", ["keys.parquet", "keys.csv", "keys.csv.gz"])
def test_any_table_of_keys_will_do(tmp_path: Path, name: str) -> None:
    uri = write_table(
        tmp_path,
        name,
        Key=["b.png", "1/a.PNG", "notes.txt"],
        ETag=["e1", "007", "x"],
        size=[5, 6, 7],
    )
    assert read(uri, "/archive") == [
        {"key": "1/a.PNG", "etag": "007", "size": 6},
        {"key": "b.png", "etag": "e1", "size": 5},
    ]


def test_versions_and_sizes_need_not_be_known(tmp_path: Path) -> None:
    uri = write_table(tmp_path, "keys.csv", key=["a.png"])
    assert read(uri, "/archive") == [{"key": "a.png", "etag": "", "size": 0}]


def test_whole_addresses_are_brought_below_the_input(tmp_path: Path) -> None:
    names = ["s3://plant/archive/a.png", "s3://plant/other/b.png", "c.png", "/elsewhere/d.png"]
    uri = write_table(tmp_path, "keys.parquet", key=names)
    assert [row["key"] for row in read(uri, "s3://plant/archive")] == ["a.png", "c.png"]
    uri = write_table(tmp_path, "local.parquet", key=["/archive/x/a.png", "/archives/b.png"])
    assert [row["key"] for row in read(uri, "/archive")] == ["x/a.png"]


def test_a_folder_of_tables_is_one_table(tmp_path: Path) -> None:
    write_table(tmp_path, "keys/day=1/1.parquet", key=["a.png"])
    write_table(tmp_path, "keys/day=2/2.parquet", key=["b.png"])
    (tmp_path / "keys" / "_SUCCESS").touch()
    assert [row["key"] for row in read(str(tmp_path / "keys"), "/archive")] == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"path": ["a.png"]}, "expected a column `key`; it has path"),
        ({"key": ["a.png", "a.png"]}, "lists 1 keys more than once, such as a.png"),
        ({"key": ["a.png"], "size": ["many"]}, "a size is no whole number of bytes"),
    ],
)
def test_what_is_no_inventory_is_refused(
    tmp_path: Path, columns: dict[str, list[Any]], problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        read(write_table(tmp_path, "keys.csv", **columns), "/archive")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("manifest.json", "{}", "is no manifest of an S3 Inventory"),
        ("manifest.json", "no JSON", "is no manifest of an S3 Inventory"),
        ("keys.parquet", "no Parquet", "keys.parquet cannot be read"),
        ("keys.csv.gz", "no gzip", "keys.csv.gz cannot be read"),
        ("keys.csv", "key,etag\na\n", "keys.csv cannot be read"),
        ("folder/readme.txt", "", "expected manifest.json"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, content: str, problem: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    uri = str(path if path.suffix != ".txt" else path.parent)
    with pytest.raises(DataError, match=problem):
        read(uri, "/archive")


def test_orc_is_refused_by_name(tmp_path: Path) -> None:
    manifest = {
        "sourceBucket": "b",
        "destinationBucket": "arn:aws:s3:::d",
        "fileFormat": "ORC",
        "fileSchema": "struct<bucket:string>",
        "files": [],
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="in ORC; have it written as Parquet or CSV"):
        read(str(tmp_path / "manifest.json"), "s3://b")


def test_no_picture_under_the_input_is_an_error(tmp_path: Path) -> None:
    uri = write_table(tmp_path, "keys.parquet", key=["s3://plant/other/b.png"])
    with pytest.raises(EmptyInputError, match="no picture under s3://plant/archive"):
        read(uri, "s3://plant/archive")
