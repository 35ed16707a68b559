"""The pictures under an input, read from a table of keys instead of listed.

A bucket of millions of objects is listed a thousand keys a request; its S3 Inventory, or any table
of keys that the plant has, is a few files. Read are:

    manifest.json        of an S3 Inventory report: CSV or Parquet; by this very name
    *.parquet            one table
    *.csv, *.csv.gz      one table, with a header
    a folder or prefix   all Parquet files below it, as one table

A table has the column `key`: below the input, or whole (`s3://bucket/...`). Columns `size` (bytes)
and `etag` are optional: a picture without an etag is scored once, and never again if it changes.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from steeldefect.errors import DataError
from steeldefect.listing import LISTING, not_empty, only_pictures
from steeldefect.stores import S3Settings, Store, open_store

MANIFEST = "manifest.json"

_ARN = "arn:aws:s3:::"
_PARQUET, _CSV = ".parquet", (".csv", ".csv.gz")
_COLUMNS = frozenset({"key", "etag", "size", "is_latest", "is_delete_marker"})
_NAMES = {"e_tag": "etag", "islatest": "is_latest", "isdeletemarker": "is_delete_marker"}
"""Other spellings of columns: an inventory's CSV and Parquet files differ."""


@dataclass(frozen=True)
class _Tables:
    """The tables of an inventory, columns named as in `_COLUMNS`, and the bucket of all keys."""

    tables: Iterator[pa.Table]
    bucket: str | None = None


def read_inventory(
    uri: str, source: Store, include: Sequence[str], settings: S3Settings
) -> pa.Table:
    """Read the pictures of an input from an inventory; what lies elsewhere is passed over.

    Args:
        uri: of the inventory; see above.
        source: the input that its keys are to lie under.
        include: patterns of file names.
        settings: to reach S3.

    Returns:
        Columns key (below the input), etag (empty where not stated), size (0 where not stated).

    Raises:
        DataError: not an inventory, or a key is listed twice.
        EmptyInputError: it lists no picture under the input.
        StoreError: it cannot be read.
    """
    found = _open(uri, settings)
    root = f"{found.bucket}/" if found.bucket else None
    parts = [_pictures(one, uri, source.uri, root, include) for one in found.tables]
    pictures = not_empty(pa.concat_tables([LISTING.empty_table(), *parts]), source, include)
    counts = pc.value_counts(pictures["key"])
    doubled = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(doubled):
        raise DataError(
            f"{uri} lists {len(doubled)} keys more than once, such as "
            f"{doubled.field('values')[0].as_py()}; keep the newest row of each"
        )
    return pictures


def _open(uri: str, settings: S3Settings) -> _Tables:
    folder, _, name = uri.rpartition("/")
    if name == MANIFEST:
        return _of_manifest(open_store(folder or ".", settings), uri, settings)
    if name.endswith((_PARQUET, *_CSV)):
        store = open_store(folder or ".", settings)
        return _Tables(iter([_read(store, name, uri)]))
    store = open_store(uri, settings)
    keys = sorted(one.key for one in store.scan() if one.key.endswith(_PARQUET))
    if not keys:
        raise DataError(
            f"{uri}: expected {MANIFEST} of an S3 Inventory, a .parquet or .csv file, or a folder "
            "with .parquet files"
        )
    return _Tables(_read(store, key, uri) for key in keys)


def _of_manifest(store: Store, uri: str, settings: S3Settings) -> _Tables:
    """Open an inventory report: where its files are, and in which form, its manifest says."""
    try:
        manifest = json.loads(store.read(MANIFEST))
        bucket, form = str(manifest["sourceBucket"]), str(manifest["fileFormat"])
        destination = str(manifest["destinationBucket"]).removeprefix(_ARN)
        header = [one.strip() for one in str(manifest["fileSchema"]).split(",")]
        files = [str(one["key"]) for one in manifest["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{uri} is no manifest of an S3 Inventory: {error}") from None
    if form not in ("CSV", "Parquet"):
        raise DataError(f"{uri}: the inventory is in {form}; have it written as Parquet or CSV")
    data = open_store(f"s3://{destination}", settings)
    if form == "Parquet":
        return _Tables((_read(data, key, uri) for key in files), bucket)
    return _Tables((_decoded(_read(data, key, uri, header)) for key in files), bucket)


def _read(store: Store, key: str, uri: str, header: Sequence[str] | None = None) -> pa.Table:
    """Read of one file what is needed; its columns get the names of `_COLUMNS`."""
    data = store.read(key)
    try:
        if key.endswith(_PARQUET):
            file = pq.ParquetFile(io.BytesIO(data))
            table = file.read(_needed(file.schema_arrow.names, uri))
        else:
            table = _read_csv(data, key, uri, header)
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        problem = " ".join(str(error).split())
        raise DataError(f"{uri}: {key} cannot be read: {problem}") from None
    return table.rename_columns([_known_as(name) for name in table.column_names])


def _read_csv(data: bytes, key: str, uri: str, header: Sequence[str] | None) -> pa.Table:
    """Read columns as text: keys and etags may look like numbers."""
    plain = gzip.decompress(data) if key.endswith(".gz") else data
    names = list(header) if header else pa_csv.open_csv(io.BytesIO(plain)).schema.names
    needed = _needed(names, uri)
    return pa_csv.read_csv(
        io.BytesIO(plain),
        read_options=pa_csv.ReadOptions(column_names=list(header) if header else None),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(needed, pa.string()), include_columns=needed
        ),
    )


def _needed(names: Sequence[str], uri: str) -> list[str]:
    """Choose the columns that are read, among those that a file has."""
    known = {name: _known_as(name) for name in names}
    if "key" not in known.values():
        raise DataError(f"{uri}: expected a column `key`; it has {', '.join(known.values())}")
    return [name for name in names if known[name] in _COLUMNS]


def _known_as(name: str) -> str:
    return _NAMES.get(name.lower(), name.lower())


def _decoded(table: pa.Table) -> pa.Table:
    """Undo the URL encoding of keys, which an inventory's CSV files have and no others do."""
    keys = pa.array([unquote_plus(key) for key in table["key"].to_pylist()], pa.string())
    return table.set_column(table.column_names.index("key"), "key", keys)


def _pictures(
    table: pa.Table, uri: str, source: str, root: str | None, include: Sequence[str]
) -> pa.Table:
    """Bring one file's rows into the form of a listing."""
    table = _current(table)
    names = table.column_names
    keys = table["key"].cast(pa.string())
    if root is not None:
        keys = pc.binary_join_element_wise(f"s3://{root}", keys, "")
    keys, below = _below(keys, source, whole=root is not None)
    etags = table["etag"].cast(pa.string()) if "etag" in names else pa.nulls(len(keys), pa.string())
    sizes = table["size"] if "size" in names else pa.nulls(len(keys), pa.int64())
    try:
        sizes = pc.fill_null(sizes.cast(pa.int64()), 0)
    except pa.ArrowInvalid as error:
        raise DataError(f"{uri}: a size is no whole number of bytes: {error}") from None
    etags = pc.fill_null(pc.utf8_trim(etags, '"'), "")
    listed = pa.table([keys, etags, sizes], schema=LISTING).filter(below)
    return only_pictures(listed, include)


def _current(table: pa.Table) -> pa.Table:
    """Drop older versions and deleted objects, where an inventory has them."""
    for name, wanted in (("is_latest", True), ("is_delete_marker", False)):
        if name in table.column_names:
            stated = pc.fill_null(table[name].cast(pa.string()), str(wanted))
            table = table.filter(pc.equal(pc.utf8_lower(stated), str(wanted).lower()))
    return table


def _below(
    keys: pa.ChunkedArray, source: str, whole: bool
) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Give keys below the input, and which of them lie there.

    Args:
        keys: as the inventory has them.
        source: address of the input.
        whole: all keys are addresses; else those are that begin with a scheme or a `/`.
    """
    root = source.rstrip("/") + "/"
    inside = pc.starts_with(keys, root)
    stripped = pc.utf8_slice_codeunits(keys, len(root))
    if whole:
        return stripped, inside
    address = pc.match_substring_regex(keys, r"^(?:[A-Za-z][A-Za-z0-9+.-]*://|/)")
    return pc.if_else(inside, stripped, keys), pc.or_(inside, pc.invert(address))
