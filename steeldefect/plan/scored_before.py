"""Know which versions of pictures a bundle has scored: 32 bytes for each picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.plan.fingerprints import Fingerprinter, Fingerprints, FingerprintSet, Mask
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName

_SHELVES = 32  # the newest rows are found shelf by shelf, so that little memory is sorted at a time
_JOINED = 250_000  # rows
_COLUMNS = ("key", "etag", "run_number", "scored_at")
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ScoredBefore:
    """The pictures that a bundle has scored, by their newest rows.

    Attributes:
        fingerprinter: the fingerprinter of both sets.
        keys: fingerprints of the keys, with an empty etag.
        versions: fingerprints of the keys with the etag of their newest row.
        unstated: whether a newest row has no etag.
    """

    fingerprinter: Fingerprinter
    keys: FingerprintSet
    versions: FingerprintSet
    unstated: bool

    def among(self, pictures: pa.Table) -> Mask:
        """Return which pictures were scored in their present version; an empty etag equals any.

        Args:
            pictures: columns key and etag, and others.

        Returns:
            bool (n,).
        """
        known = self.versions.holds(self.fingerprinter.of(pictures["key"], pictures["etag"]))
        if self.unstated:  # a newest row without an etag equals any version
            known |= self.versions.holds(self.fingerprinter.of(pictures["key"], ""))
        unstated = pc.equal(pictures["etag"], "")
        if pc.any(unstated).as_py():
            keys = self.fingerprinter.of(pictures["key"].filter(unstated), "")
            known[np.flatnonzero(unstated.to_numpy())] |= self.keys.holds(keys)
        return known


@dataclass(frozen=True)
class _Rows:
    """Rows of `images`; arrays of (n,)."""

    keys: Fingerprints
    versions: Fingerprints
    run_numbers: Integers
    moments: Integers

    def take(self, places: Integers) -> _Rows:
        return _Rows(
            self.keys.take(places),
            self.versions.take(places),
            self.run_numbers[places],
            self.moments[places],
        )


def scored_before(tables: Tables, same: dict[str, str]) -> ScoredBefore:
    """Read which versions of pictures were scored.

    If several versions of a picture were scored, only the newest row counts. The row with the
    greatest `run_number` is the newest, because the clocks of drivers may differ. Rows that
    versions before 0.2 wrote have no `run_number`: they are older than all others, and are ordered
    by `scored_at`.

    Args:
        tables: tables of the output.
        same: source and bundle; only rows with these values count.

    Raises:
        TableError, StoreUnavailableError: the table cannot be read.
    """
    fingerprinter = Fingerprinter()
    shelves: list[list[_Rows]] = [[] for _ in range(_SHELVES)]
    for table in _joined(tables.batches(TableName.IMAGES, _COLUMNS, same)):
        rows = _rows(table, fingerprinter)
        shelf_of = (rows.keys.low % _SHELVES).astype(np.int64)
        for number in np.unique(shelf_of).tolist():
            shelves[number].append(rows.take(np.flatnonzero(shelf_of == number)))
    keys, versions, unstated = [], [], False
    for shelf in shelves:
        newest = _newest(shelf)
        shelf.clear()
        keys.append(newest.keys)
        versions.append(newest.versions)
        unstated |= bool(np.any(newest.keys.low == newest.versions.low))
    return ScoredBefore(
        fingerprinter,
        FingerprintSet(Fingerprints.joined(keys)),
        FingerprintSet(Fingerprints.joined(versions)),
        unstated,
    )


def _joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Join small batches, because each call of the fingerprinter costs a millisecond."""
    found: list[pa.RecordBatch] = []
    for batch in batches:
        found.append(batch)
        if sum(map(len, found)) >= _JOINED:
            yield pa.Table.from_batches(found)
            found = []
    if found:
        yield pa.Table.from_batches(found)


def _rows(table: pa.Table, fingerprinter: Fingerprinter) -> _Rows:
    return _Rows(
        fingerprinter.of(table["key"], ""),
        fingerprinter.of(table["key"], pc.fill_null(table["etag"], "")),
        pc.fill_null(table["run_number"], 0).to_numpy().astype(np.int64),
        table["scored_at"].cast(pa.int64()).to_numpy(),
    )


def _newest(shelf: list[_Rows]) -> _Rows:
    """Return the newest row of each key among all rows of a shelf."""
    none = np.zeros(0, np.int64)
    rows = _Rows(
        Fingerprints.joined([one.keys for one in shelf]),
        Fingerprints.joined([one.versions for one in shelf]),
        np.concatenate([none, *(one.run_numbers for one in shelf)]),
        np.concatenate([none, *(one.moments for one in shelf)]),
    )
    order = np.lexsort((rows.moments, rows.run_numbers, rows.keys.low, rows.keys.high))
    rows = rows.take(order)
    high, low = rows.keys.high, rows.keys.low
    last = np.ones(len(rows.keys), np.bool_)
    last[:-1] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return rows.take(np.flatnonzero(last))
