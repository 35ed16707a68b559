"""The pictures under an input: listed, or read from an inventory.

Both give one Arrow table with the columns key, etag, size, so that a million keys cost megabytes.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.errors import EmptyInputError
from steeldefect.stores import ObjectInfo, Store

LISTING = pa.schema([("key", pa.string()), ("etag", pa.string()), ("size", pa.int64())])

_CHUNK = 10_000


def list_pictures(store: Store, include: Sequence[str]) -> pa.Table:
    """List the pictures under an input.

    Args:
        store: the input.
        include: patterns of file names (`*.jpg`), in any case.

    Raises:
        EmptyInputError: there is none.
        StoreError: the store refused or does not answer.
    """
    chunks = [only_pictures(chunk, include) for chunk in _chunks(store.scan())]
    return not_empty(pa.concat_tables([LISTING.empty_table(), *chunks]), store, include)


def only_pictures(keys: pa.Table, include: Sequence[str]) -> pa.Table:
    """Keep the rows whose file name, the key's last part, fits one of the patterns."""
    fits = re.compile("|".join(fnmatch.translate(one.lower()) for one in include)).match
    names = pc.utf8_lower(pc.replace_substring_regex(keys["key"], r"(?s)^.*/", ""))
    return keys.filter(pa.array([bool(fits(name)) for name in names.to_pylist()], pa.bool_()))


def not_empty(pictures: pa.Table, store: Store, include: Sequence[str]) -> pa.Table:
    """Give the pictures back.

    Raises:
        EmptyInputError: there is none.
    """
    if pictures.num_rows:
        return pictures
    raise EmptyInputError(
        f"no picture under {store.uri} (looked for {', '.join(include)}, at any depth); check "
        "--input, or set include"
    )


def _chunks(found: Iterable[ObjectInfo]) -> Iterator[pa.Table]:
    pictures = iter(found)
    while chunk := list(islice(pictures, _CHUNK)):
        yield pa.table(
            [[p.key for p in chunk], [p.etag for p in chunk], [p.size for p in chunk]],
            schema=LISTING,
        )
