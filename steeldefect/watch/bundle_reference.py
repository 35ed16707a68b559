"""Where the reference of a night comes from: the bundle's own, or a named run.

A bundle may hold `reference.json`, made of its validation pictures and sealed with it. A scoring
run copies it into the output, so that the watch needs no bundle later.
"""

from __future__ import annotations

from dataclasses import replace

import duckdb

from steeldefect.bundle.files import Bundle
from steeldefect.errors import DataError
from steeldefect.stores import Store
from steeldefect.watch.night import find_night, observed_on
from steeldefect.watch.reference import Reference, make_reference, reference_from_json

REFERENCE_NAME = "reference.json"
"""The reference's file in a bundle."""

VALIDATION = "the bundle's validation pictures"
"""Name of a bundle's reference."""


def keep_reference(output: Store, bundle: Bundle) -> None:
    """Copy a bundle's reference into an output, once; a bundle without one is no error.

    Raises:
        StoreError: the output cannot be written.
    """
    path = bundle.folder / REFERENCE_NAME
    if not path.exists():
        return
    key = _key_of(bundle.digest)
    if next(iter(output.scan(key)), None) is None:
        output.write(key, path.read_bytes())


def kept_reference(output: Store, digest: str) -> Reference | None:
    """Return the reference of a bundle that has scored into an output; None without one.

    Raises:
        DataError: the file is no reference that this version reads.
        StoreError: the output cannot be read.
    """
    key = _key_of(digest)
    if next(iter(output.scan(key)), None) is None:
        return None
    try:
        reference = reference_from_json(output.read(key))
    except DataError as error:
        raise DataError(
            f"{output.uri}/{key}: {error}; delete it: the next scoring run with this bundle writes "
            "it again"
        ) from None
    # its bundle was sealed later, so the file cannot name the digest
    return replace(reference, profiles=replace(reference.profiles, bundle=digest))


def reference_of_run(connection: duckdb.DuckDBPyConnection, run: str) -> Reference:
    """Make the reference of a scoring run, from the tables.

    Raises:
        TableError: there is no such run.
    """
    night = find_night(connection, run)
    return make_reference(observed_on(connection, night), f"run {night.run_id}", True)


def _key_of(digest: str) -> str:
    return f"_watch/{digest}.json"
