"""Keys from an inventory: reports of S3 Inventory, and tables of other programs."""

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
from support.examples import BUCKET

from steeldefect.errors import DataError, EmptyInputError
from steeldefect.plan.inventory import read_inventory
from steeldefect.plan.listing import LISTING, list_pictures
from steeldefect.settings import ScoreSettings
from steeldefect.stores import S3Settings, open_store

INCLUDE = ScoreSettings().include
NAMES = ("a.png", "line 1/b+c.png", "line 1/Übersicht.jpg", "line 1/readme.txt", "100%.png")
HEADER = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag"


def read(uri: str, source: str, settings: S3Settings | None = None) -> list[dict[str, Any]]:
    settings = settings or S3Settings()
    found = read_inventory(uri, open_store(source, settings), INCLUDE, settings).whole()
    assert found.schema == LISTING
    assert found["place"].null_count == found.num_rows
    rows: list[dict[str, Any]] = found.drop_columns("place").sort_by("key").to_pylist()
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
    listed = list_pictures(source, INCLUDE).drop_columns("place").sort_by("key").to_pylist()
    assert len(listed) == 4
    assert read(uri, source.uri, s3) == listed


def write_report(form: str, objects: list[dict[str, Any]], s3: S3Settings, address: str) -> str:
    """Write an inventory as S3 does: CSV files have no header, and their keys are URL-encoded."""
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
        ({"path": ["a.png"]}, "expected a column `key`; the file has path"),
        ({"key": ["a.png", "a.png"]}, "lists 1 keys more than once, such as a.png"),
        ({"key": ["a.png"], "size": ["many"]}, "a size is not a whole number of bytes"),
        ({"key": ["a.png", ""]}, "1 rows have no key; write a key in each row"),
        ({"key": ["a.png"], "Key": ["b.png"]}, "more than one column is named key; keep one"),
        ({"key": ["a.png"], "etag": ["e"], "e_tag": ["e"]}, "more than one column is named etag"),
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
        ("manifest.json", "{}", "is not a manifest of an S3 Inventory"),
        ("manifest.json", "no JSON", "is not a manifest of an S3 Inventory"),
        ("keys.parquet", "no Parquet", "keys.parquet cannot be read"),
        ("keys.csv.gz", "no gzip", "keys.csv.gz cannot be read"),
        ("keys.csv", "key,etag\na\n", "keys.csv cannot be read"),
        ("keys.csv", "", "keys.csv cannot be read: Empty CSV file"),
        ("keys.parquet", "", "keys.parquet cannot be read"),
        ("keys.json", "{}", "is not a manifest of an S3 Inventory"),
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


@pytest.mark.parametrize("cut", [5, 15, -1, -9])
def test_a_compressed_file_that_ends_early_is_named(tmp_path: Path, cut: int) -> None:
    uri = write_table(tmp_path, "keys.csv.gz", key=[f"{number}.png" for number in range(1_000)])
    Path(uri).write_bytes(Path(uri).read_bytes()[:cut])
    with pytest.raises(DataError, match=r"keys\.csv\.gz: keys\.csv\.gz cannot be read: "):
        read(uri, "/archive")


def test_a_compressed_file_with_bytes_changed_is_named(tmp_path: Path) -> None:
    uri = write_table(tmp_path, "keys.csv.gz", key=[f"{number}.png" for number in range(1_000)])
    data = bytearray(Path(uri).read_bytes())
    for place in range(30, len(data) - 10, 7):
        changed = data.copy()
        changed[place] ^= 0xFF
        Path(uri).write_bytes(changed)
        with pytest.raises(DataError, match=r"keys\.csv\.gz cannot be read: "):
            read(uri, "/archive")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_csv_that_is_not_utf8_is_refused(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "keys.csv").write_bytes("key\nü.png\n".encode(encoding))
    with pytest.raises(DataError, match=r"UTF-?8"):
        read(str(tmp_path / "keys.csv"), "/archive")


def test_a_row_without_a_key_is_refused(tmp_path: Path) -> None:
    uri = write_table(tmp_path, "keys.parquet", key=["a.png", None, None])
    with pytest.raises(DataError, match="2 rows have no key; write a key in each row"):
        read(uri, "/archive")


def test_keys_that_are_no_text_are_refused(tmp_path: Path) -> None:
    uri = write_table(tmp_path, "keys.parquet", key=[b"a\xff.png"])
    with pytest.raises(DataError, match="the column key is not text"):
        read(uri, "/archive")
    uri = write_table(tmp_path, "keys.parquet", key=[["a.png"]])
    with pytest.raises(DataError, match="the column key is not text"):
        read(uri, "/archive")


def report(tmp_path: Path, **changes: Any) -> str:
    manifest = {
        "sourceBucket": "b",
        "destinationBucket": "arn:aws:s3:::d",
        "fileFormat": "CSV",
        "fileSchema": HEADER,
        "files": [],
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | changes))
    return str(tmp_path / "manifest.json")


def test_orc_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="in ORC; write it as Parquet or CSV"):
        read(report(tmp_path, fileFormat="ORC", fileSchema="struct<bucket:string>"), "s3://b")
    (tmp_path / "folder").mkdir()
    for name in ("keys.orc", "folder/1.ORC"):
        (tmp_path / name).write_bytes(b"ORC")
    for uri in (str(tmp_path / "keys.orc"), str(tmp_path / "folder")):
        with pytest.raises(DataError, match=r"ORC.*; write it as Parquet or CSV"):
            read(uri, "s3://b")


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
@pytest.mark.parametrize("name", ["manifest.json", "2026-11-26T01-00Z.json", "MANIFEST.JSON"])
def test_a_report_may_have_any_name_and_partition(
    partition: str, name: str, s3: S3Settings, s3_address: str, tmp_path: Path
) -> None:
    store = open_store(s3_address, s3)
    line = f'"{BUCKET}","in/line%201%2Fa%2Bb+c%C3%BC.png","v","true","false","5","e"\n'
    store.write("data/1.csv.gz", gzip.compress(line.encode()))
    store.write("data/2.csv.gz", gzip.compress(b""))  # no object in that share of the bucket
    store.write("data/3.csv", b"")
    prefix = s3_address.removeprefix(f"s3://{BUCKET}/")
    files = [{"key": f"{prefix}/data/{name}"} for name in ("1.csv.gz", "2.csv.gz", "3.csv")]
    made = report(
        tmp_path,
        sourceBucket=BUCKET,
        destinationBucket=f"arn:{partition}:s3:::{BUCKET}",
        files=files,
    )
    store.write(name, Path(made).read_bytes())
    found = read(f"{s3_address}/{name}", f"s3://{BUCKET}/in", s3)
    assert found == [{"key": "line 1/a+b cü.png", "etag": "e", "size": 5}]


def test_a_key_that_is_not_utf8_is_refused(s3: S3Settings, s3_address: str, tmp_path: Path) -> None:
    store = open_store(s3_address, s3)
    store.write("1.csv", f'"{BUCKET}","in/%E5.png","v","true","false","5","e"\n'.encode())
    prefix = s3_address.removeprefix(f"s3://{BUCKET}/")
    made = report(
        tmp_path, destinationBucket=f"arn:aws:s3:::{BUCKET}", files=[{"key": f"{prefix}/1.csv"}]
    )
    with pytest.raises(DataError, match="a key is not percent-encoded UTF-8"):
        read(made, f"s3://{BUCKET}/in", s3)


@pytest.mark.parametrize("name", ["KEYS.CSV", "keys.Csv.GZ", "KEYS.PARQUET"])
def test_endings_in_any_case(tmp_path: Path, name: str) -> None:
    written = Path(write_table(tmp_path, name.lower(), key=["a.png"]))
    written.rename(tmp_path / name)
    assert [row["key"] for row in read(str(tmp_path / name), "/archive")] == ["a.png"]


def test_a_folder_of_tables_holds_other_files_as_well(tmp_path: Path) -> None:
    write_table(tmp_path, "keys/1.PARQUET".lower(), key=["a.png"])
    (tmp_path / "keys" / "1.parquet").rename(tmp_path / "keys" / "1.PARQUET")
    for name in ("._1.parquet", "_delta_log/1.checkpoint.parquet", "_temporary/0.parquet"):
        path = tmp_path / "keys" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"none of ours")
    assert [row["key"] for row in read(str(tmp_path / "keys"), "/archive")] == ["a.png"]


@pytest.mark.parametrize(
    "kind",
    [
        pa.dictionary(pa.int32(), pa.string()),
        pa.large_string(),
        pa.binary(),
        pa.large_binary(),
        pa.dictionary(pa.int8(), pa.binary()),
        pa.string_view(),
    ],
    ids=str,
)
def test_keys_and_etags_of_any_type_of_text(tmp_path: Path, kind: pa.DataType) -> None:
    keys = pa.array(["s3://plant/a ü.png", "b.png"], pa.string())
    if pa.types.is_dictionary(kind):
        keys = keys.cast(kind.value_type).dictionary_encode().cast(kind)
    else:
        keys = keys.cast(kind)
    etags = (
        pa.array(['"e1"', None]).cast(kind) if not pa.types.is_dictionary(kind) else ["e1", None]
    )
    uri = write_table(tmp_path, "keys.parquet", key=keys, etag=etags)
    assert read(uri, "s3://plant") == [
        {"key": "a ü.png", "etag": "e1", "size": 0},
        {"key": "b.png", "etag": "", "size": 0},
    ]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (pa.array([5, None], pa.uint32()), [5, 0]),
        (pa.array([3e9, float("nan")]), [3_000_000_000, 0]),
        (pa.array([3_000_000_000.0, None]), [3_000_000_000, 0]),
        (pa.array(["5.0", ""]), [5, 0]),
        (pa.array([" 5 ", "3000000000.000"]), [5, 3_000_000_000]),
        (pa.array(["5", None]).dictionary_encode(), [5, 0]),
        (pa.array([None, None], pa.null()), [0, 0]),
    ],
    ids=str,
)
def test_sizes_of_any_type(tmp_path: Path, sizes: pa.Array, expected: list[int]) -> None:
    uri = write_table(tmp_path, "keys.parquet", key=["a.png", "b.png"], size=sizes)
    assert [row["size"] for row in read(uri, "/archive")] == expected


@pytest.mark.parametrize(
    ("size", "problem"),
    [
        ("5.5", "a size is not a whole number"),
        ("1e3", "a size is not a whole number"),
        (5.5, "a size is not a whole number"),
        (1e30, "a size is not a whole number"),
        (-1, "a size is less than 0"),
        ("99999999999999999999", "a size is not a whole number"),
    ],
)
def test_other_sizes_are_refused(tmp_path: Path, size: object, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read(write_table(tmp_path, "keys.parquet", key=["a.png"], size=[size]), "/archive")


def test_csv_as_programs_write_it(tmp_path: Path) -> None:
    text = (
        '\ufeff Key ,note,E_Tag,size\r\n"new\nline, and ""quote"".png","two\nlines",007,5.0\r\n'
        "NaN.png,,null,\r\n\r\n"
    )
    (tmp_path / "keys.csv").write_bytes(text.encode())
    assert read(str(tmp_path / "keys.csv"), "/archive") == [
        {"key": "NaN.png", "etag": "null", "size": 0},
        {"key": 'new\nline, and "quote".png', "etag": "007", "size": 5},
    ]


def test_addresses_of_one_object_are_one_key(tmp_path: Path) -> None:
    names = ["s3://plant/archive/a.png", "s3a://plant/archive/b.png", "S3N://plant/archive/c.png"]
    uri = write_table(tmp_path, "s3.csv", key=[*names, "s3a://plant/other/d.png", "e.png"])
    assert [row["key"] for row in read(uri, "s3a://plant/archive/")] == [
        *("a.png", "b.png", "c.png", "e.png")
    ]
    twice = ["s3://plant/archive/a.png", "s3n://plant/archive/a.png"]
    with pytest.raises(DataError, match=r"lists 1 keys more than once, such as a\.png"):
        read(write_table(tmp_path, "twice.csv", key=twice), "s3://plant/archive")
    urls = ["file:///archive/a%20b.png", "file://localhost/archive/c.png", "/archive/d%20e.png"]
    uri = write_table(tmp_path, "local.csv", key=[*urls, "file:///other/f.png"])
    found = [row["key"] for row in read(uri, "/archive")]
    assert found == ["a b.png", "c.png", "d%20e.png"]


@pytest.mark.parametrize("key", ["../a.png", "a/../../b.png", "/archive/../a.png", "a/.."])
def test_a_key_that_leads_out_of_the_input_is_refused(tmp_path: Path, key: str) -> None:
    uri = write_table(tmp_path, "keys.parquet", key=["a.png", key])
    with pytest.raises(DataError, match=r"holds `\.\.`; write keys below the input"):
        read(uri, "/archive")


def test_two_dots_in_a_name_are_none(tmp_path: Path) -> None:
    keys = ["..a/b..png", "a...png"]
    uri = write_table(tmp_path, "keys.parquet", key=keys)
    found = read_inventory(uri, open_store("/archive"), INCLUDE, S3Settings(), ()).whole()
    assert sorted(found["key"].to_pylist()) == sorted(keys)


def test_the_inventory_itself_may_be_named_by_a_url(tmp_path: Path) -> None:
    path = Path(write_table(tmp_path / "line 1", "my keys.csv", key=["a.png"]))
    assert [row["key"] for row in read(path.as_uri(), "/archive")] == ["a.png"]


@pytest.mark.parametrize("name", ["keys.parquet", "keys.csv.gz"])
def test_a_large_table_is_read_part_by_part(tmp_path: Path, name: str) -> None:
    keys = [f"line 1/{'x' * 120}/{number:06d}.png" for number in range(150_000)]
    uri = write_table(tmp_path, name, key=keys, size=list(range(len(keys))))
    found = read_inventory(uri, open_store("/archive"), INCLUDE, S3Settings())
    assert found.rows == len(keys)
    assert len(list(found.tables())) > 1
    whole = found.whole()
    assert whole["key"].to_pylist() == keys
    assert whole["size"].to_pylist() == list(range(len(keys)))


def test_keys_that_are_listed_twice_in_different_parts_are_found(tmp_path: Path) -> None:
    keys = [f"{number:06d}.png" for number in range(140_000)]
    keys += ["000007.png", "000003.png", "000007.png"]
    with pytest.raises(DataError, match=r"lists 2 keys more than once, such as 000003\.png"):
        read(write_table(tmp_path, "keys.parquet", key=keys), "/archive")


def test_a_fault_in_a_later_part_is_found_before_a_run_begins(tmp_path: Path) -> None:
    keys = [f"{number:06d}.png" for number in range(140_000)]
    with pytest.raises(DataError, match="1 rows have no key; write a key in each row"):
        read(write_table(tmp_path, "keys.parquet", key=[*keys, None]), "/archive")


def test_no_picture_under_the_input_is_an_error(tmp_path: Path) -> None:
    uri = write_table(tmp_path, "keys.parquet", key=["s3://plant/other/b.png"])
    with pytest.raises(EmptyInputError, match="no picture under s3://plant/archive"):
        read(uri, "s3://plant/archive")
