"""Read an inventory: a table of the keys of the pictures, which replaces listing the input.

A listing returns a thousand keys per request, which is slow for a bucket of millions of objects.
The bucket's S3 Inventory, or any other table of keys, consists of a few files. An inventory is:

    *.json               the manifest of an S3 Inventory report: CSV or Parquet
    *.parquet            one table
    *.csv, *.csv.gz      one table, with a header
    a folder or prefix   all Parquet files below it, as one table

A table must have the column `key`. A key is relative to the input, or a whole address
(`s3://bucket/...`, `/data/...`, `file:///data/...`). The columns `size` (bytes) and `etag` are
optional. A picture without an etag is scored once; it is not scored again if its bytes change.
The columns of `strip.PLACE_COLUMNS`, and those that `strip.attributes` names, state where a picture
lies; `steeldefect.plan.inventory_places` reads them.
`steeldefect.plan.key_tables` reads the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus

import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.addresses import is_s3, local_folder, split_file
from steeldefect.errors import DataError
from steeldefect.pictures.strip import PlaceSettings
from steeldefect.plan.fingerprints import Fingerprinter, FingerprintSet, doubled
from steeldefect.plan.inventory_places import stated_places
from steeldefect.plan.key_tables import CSV, ORC, PARQUET, as_text, read_tables
from steeldefect.plan.listing import LISTING, PictureFilter, not_empty
from steeldefect.plan.picture_places import require_places
from steeldefect.plan.spool import Spool
from steeldefect.settings import HIDDEN
from steeldefect.stores import S3Settings, Store, open_store

_MANIFEST = ".json"
_ARN = re.compile(r"arn:aws[a-z-]*:s3:::")  # aws, aws-cn, aws-us-gov
_OTHER_S3 = re.compile(r"(?i)^s3[an]?://")
_UP = re.compile(r"(?:^|/)\.\.(?:/|$)")
_NO_PLACES = PlaceSettings()
_WRITE_OTHERWISE = "write it as Parquet or CSV"


@dataclass(frozen=True)
class _Tables:
    """The tables of an inventory.

    Attributes:
        tables: tables with columns as `key_tables.read_tables` yields them.
        bucket: bucket that all keys lie in, from a manifest; None without a manifest.
    """

    tables: Iterator[pa.Table]
    bucket: str | None = None


def read_inventory(
    uri: str,
    source: Store,
    include: Sequence[str],
    settings: S3Settings,
    exclude: Sequence[str] = HIDDEN,
    strip: PlaceSettings = _NO_PLACES,
) -> Spool:
    """Read the pictures under an input from an inventory; skip keys that lie elsewhere.

    The whole inventory is read and checked before the first picture is scored. Its pictures are
    kept in a temporary file.

    Args:
        uri: address of the inventory, in one of the forms of the module's docstring.
        source: the input.
        include: patterns of the file names of pictures.
        settings: settings to reach S3.
        exclude: patterns of the names of files and folders that are passed over.
        strip: its `attributes` name columns whose values are kept for each picture; no key may
            contradict its `key_pattern` (`picture_places.require_places`).

    Returns:
        Columns key (relative to the input), etag (empty if not stated), size (bytes, 0 if not
        stated), place (see `strip.stated_place`; null if not stated).

    Raises:
        DataError: the address is not an inventory; a key is missing, listed twice, or leads out
            of the input; or a column has values of the wrong type.
        EmptyInputError: the inventory lists no picture under the input.
        SettingsError: `strip.key_pattern` fits no key.
        StoreError: the inventory cannot be read, or the disk for temporary files is full.
    """
    found = _open(uri, settings, strip.attributes)
    wanted = PictureFilter(include, exclude)
    parts = (_pictures(one, uri, source.uri, found.bucket, wanted, strip) for one in found.tables)
    pictures = Spool(LISTING)
    fingerprinter, seen = Fingerprinter(), []
    for some in require_places(not_empty(parts, wanted, source), strip):
        pictures.append(some)
        seen.append(fingerprinter.of(some["key"], ""))
    pictures.end()
    _refuse_doubled(pictures, fingerprinter, doubled(seen), uri)
    return pictures


def _refuse_doubled(
    pictures: Spool, fingerprinter: Fingerprinter, twice: FingerprintSet, uri: str
) -> None:
    """Raise `DataError` if a key occurs more than once; name the first one."""
    if not len(twice):
        return
    for some in pictures.tables():
        keys = some["key"].filter(pa.array(twice.holds(fingerprinter.of(some["key"], ""))))
        if len(keys):
            raise DataError(
                f"{uri} lists {len(twice)} keys more than once, such as {keys[0].as_py()}; keep "
                "only the newest row of each key"
            )


def _open(uri: str, settings: S3Settings, attributes: Sequence[str]) -> _Tables:
    folder, name = split_file(uri)
    kind = name.lower()
    if kind.endswith(_MANIFEST):
        return _of_manifest(open_store(folder, settings), name, uri, settings, attributes)
    if kind.endswith((PARQUET, *CSV)):
        store = open_store(folder, settings)
        return _Tables(read_tables(store, name, uri, attributes=attributes))
    if kind.endswith(ORC):
        raise DataError(f"{uri}: the inventory is in ORC; {_WRITE_OTHERWISE}")
    store = open_store(uri, settings)
    keys = sorted(one.key for one in store.scan() if _is_table(one.key.lower()))
    if not keys:
        raise DataError(
            f"{uri}: expected manifest.json of an S3 Inventory, a .parquet or .csv file, or a "
            "folder with .parquet files"
        )
    if any(key.lower().endswith(ORC) for key in keys):
        raise DataError(f"{uri} holds ORC files; {_WRITE_OTHERWISE}")
    return _Tables(
        table for key in keys for table in read_tables(store, key, uri, attributes=attributes)
    )


def _is_table(key: str) -> bool:
    """Return whether a key is a table's, not a program's own: `_SUCCESS`, `_delta_log/`, `.crc`."""
    own = any(part.startswith(("_", ".")) for part in key.split("/"))
    return key.endswith((PARQUET, ORC)) and not own


def _of_manifest(
    store: Store, name: str, uri: str, settings: S3Settings, attributes: Sequence[str]
) -> _Tables:
    """Open an S3 Inventory report: its manifest states where the files are, and their format."""
    try:
        manifest = json.loads(store.read(name))
        bucket, form = str(manifest["sourceBucket"]), str(manifest["fileFormat"])
        destination = _ARN.sub("", str(manifest["destinationBucket"]))
        columns = [one.strip() for one in str(manifest["fileSchema"]).split(",")]
        files = [str(one["key"]) for one in manifest["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{uri} is not a manifest of an S3 Inventory: {error}") from None
    if form not in ("CSV", "Parquet"):
        raise DataError(f"{uri}: the inventory is in {form}; {_WRITE_OTHERWISE}")
    data = open_store(f"s3://{destination}", settings)
    header = None if form == "Parquet" else columns
    tables = (table for key in files for table in read_tables(data, key, uri, header, attributes))
    return _Tables(tables if header is None else (_decoded(one, uri) for one in tables), bucket)


def _decoded(table: pa.Table, uri: str) -> pa.Table:
    """Decode URL-encoded keys: only the CSV files of an S3 Inventory report have them."""
    try:
        keys = [unquote_plus(key, errors="strict") for key in table["key"].to_pylist()]
    except UnicodeDecodeError:
        raise DataError(f"{uri}: a key is not percent-encoded UTF-8") from None
    index = table.column_names.index("key")
    return table.set_column(index, "key", pa.array(keys, pa.string()))


def _pictures(
    table: pa.Table,
    uri: str,
    source: str,
    bucket: str | None,
    wanted: PictureFilter,
    strip: PlaceSettings,
) -> pa.Table:
    """Return the rows of one table that are pictures under the input, with columns of `LISTING`."""
    table = _current(table)
    keys = as_text(table, "key", uri)
    nameless = pc.sum(pc.equal(pc.fill_null(keys, ""), "")).as_py()
    if nameless:
        raise DataError(f"{uri}: {nameless} rows have no key; write a key in each row")
    if bucket is None:
        keys, below = _below(keys, source, uri)
    else:
        whole = pc.binary_join_element_wise(f"s3://{bucket}/", keys, "")
        keys, below = _stripped(whole, source)
    etags = pc.fill_null(pc.utf8_trim(as_text(table, "etag", uri), '"'), "")
    places = stated_places(table, strip, uri)
    listed = pa.table([keys, etags, _sizes(table, uri), places], schema=LISTING).filter(below)
    return listed.filter(pa.array(map(wanted.takes, listed["key"].to_pylist()), pa.bool_()))


def _current(table: pa.Table) -> pa.Table:
    """Drop the rows of older versions and of deleted objects, if the table marks them."""
    for name, wanted in (("is_latest", True), ("is_delete_marker", False)):
        if name in table.column_names:
            stated = pc.fill_null(table[name].cast(pa.string()), str(wanted))
            table = table.filter(pc.equal(pc.utf8_lower(stated), str(wanted).lower()))
    return table


def _sizes(table: pa.Table, uri: str) -> pa.ChunkedArray:
    """Return sizes in bytes, 0 if absent; some programs write them with a fraction (`5.0`)."""
    sizes = table["size"] if "size" in table.column_names else as_text(table, "size", uri)
    try:
        if pa.types.is_floating(sizes.type):
            known = pc.if_else(pc.is_nan(sizes), None, sizes)
        else:
            text = sizes.cast(pa.string())
            given = pc.if_else(pc.equal(text, ""), None, text)
            known = pc.replace_substring_regex(given, r"^\s*(\d+)(?:\.0*)?\s*$", r"\1")
        whole = pc.fill_null(known.cast(pa.int64()), 0)
    except pa.ArrowInvalid as error:
        raise DataError(f"{uri}: a size is not a whole number of bytes: {error}") from None
    if pc.any(pc.less(whole, 0)).as_py():
        raise DataError(f"{uri}: a size is less than 0")
    return whole


def _below(keys: pa.ChunkedArray, source: str, uri: str) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return keys relative to the input, and a mask of the keys that lie under the input.

    Args:
        keys: keys relative to the input, or whole addresses, which begin with a scheme or a `/`.
        source: address of the input.
        uri: address of the inventory, for errors.

    Raises:
        DataError: a key leads out of the input.
    """
    climbing = pc.match_substring_regex(keys, _UP.pattern)
    if pc.any(climbing).as_py():
        example = keys.filter(climbing)[0].as_py()
        raise DataError(f"{uri}: the key {example} holds `..`; write keys below the input")
    if is_s3(source):
        keys = pc.replace_substring_regex(keys, _OTHER_S3.pattern, "s3://")
    else:
        keys = _without_file_urls(keys)
    stripped, inside = _stripped(keys, source)
    address = pc.match_substring_regex(keys, r"^(?:[A-Za-z][A-Za-z0-9+.-]*://|/)")
    return pc.if_else(inside, stripped, keys), pc.or_(inside, pc.invert(address))


def _stripped(keys: pa.ChunkedArray, source: str) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return addresses without the input's address, and a mask of those that lie below it."""
    root = source.rstrip("/") + "/"
    return pc.utf8_slice_codeunits(keys, len(root)), pc.starts_with(keys, root)


def _without_file_urls(keys: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return keys with `file:` URLs replaced by paths, because a local input's address is one."""
    if not pc.any(pc.match_substring_regex(keys, r"^(?i)file:")).as_py():
        return keys
    paths = [
        str(local_folder(key)) if key.lower().startswith("file:") else key
        for key in keys.to_pylist()
    ]
    return pa.chunked_array([pa.array(paths, pa.string())])
