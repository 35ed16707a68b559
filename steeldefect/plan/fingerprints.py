"""Compare millions of keys by fingerprints of 16 bytes, which need a tenth of the memory of keys.

A fingerprint is the MD5 of a random salt, a key and an etag. Equal pairs have equal fingerprints.
Two different pairs have equal fingerprints with a probability of 2^-128. Among ten million listed
pictures and ten million scored ones, this happens with a probability below 10^-24. The salt is
drawn for each run. So nobody can choose names that collide, and two pictures that collide in one
run differ in the next one, which scores the picture that was left out.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_SALT_BYTES = 16
_HASHED = """
SELECT (hashed >> 64)::UBIGINT AS high, (hashed & 18446744073709551615)::UBIGINT AS low
FROM (SELECT md5_number(text) AS hashed FROM named)
"""


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of pairs of a key and an etag.

    Attributes:
        high: upper 64 bits, uint64 (n,).
        low: lower 64 bits, uint64 (n,).
    """

    high: Words
    low: Words

    def __len__(self) -> int:
        """Return the number of fingerprints."""
        return len(self.high)

    def take(self, places: npt.NDArray[np.int64] | Mask) -> Fingerprints:
        """Return the fingerprints at some places."""
        return Fingerprints(self.high[places], self.low[places])

    def in_order(self) -> Fingerprints:
        """Return the fingerprints in ascending order of their upper bits."""
        return self.take(np.argsort(self.high))

    @staticmethod
    def joined(parts: Sequence[Fingerprints]) -> Fingerprints:
        """Return the fingerprints of all parts, in their order."""
        none = np.zeros(0, np.uint64)
        return Fingerprints(
            np.concatenate([none, *(one.high for one in parts)]),
            np.concatenate([none, *(one.low for one in parts)]),
        )


class Fingerprinter:
    """Computes fingerprints with one salt; fingerprints of different salts are not comparable.

    It is used by one thread at a time.
    """

    def __init__(self) -> None:
        """Draw the salt."""
        self._salt = os.urandom(_SALT_BYTES)
        self._database = duckdb.connect(":memory:", config={"threads": 2})

    def of(self, keys: pa.ChunkedArray, etags: pa.ChunkedArray | str) -> Fingerprints:
        """Compute the fingerprints of pairs.

        Args:
            keys: keys, string (n,).
            etags: etags, string (n,), or one etag for all keys.
        """
        stated = etags.encode() if isinstance(etags, str) else etags.cast(pa.binary())
        text = pc.binary_join_element_wise(self._salt, keys.cast(pa.binary()), stated, b"\0")
        self._database.register("named", pa.table({"text": text}))
        columns = self._database.execute(_HASHED).fetchnumpy()
        return Fingerprints(np.asarray(columns["high"]), np.asarray(columns["low"]))


class FingerprintSet:
    """A set of fingerprints: 16 bytes for each."""

    def __init__(self, members: Fingerprints) -> None:
        """Sort the members."""
        self._members = members.in_order()

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self._members)

    def holds(self, wanted: Fingerprints) -> Mask:
        """Return whether each fingerprint is in the set, bool (n,)."""
        members = self._members
        found = np.zeros(len(wanted), np.bool_)
        place = np.searchsorted(members.high, wanted.high)
        left = np.flatnonzero(place < len(members))
        while len(left):  # members with the same upper bits follow each other
            at = place[left]
            same = members.high[at] == wanted.high[left]
            left, at = left[same], at[same]
            equal = members.low[at] == wanted.low[left]
            found[left[equal]] = True
            left = left[~equal]
            place[left] += 1
            left = left[place[left] < len(members)]
        return found


def doubled(parts: Sequence[Fingerprints]) -> FingerprintSet:
    """Return the fingerprints that occur more than once among all parts."""
    high = np.concatenate([np.zeros(0, np.uint64), *(one.high for one in parts)])
    high.sort()  # in place: there may be ten millions
    equal = np.unique(high[1:][high[1:] == high[:-1]])
    found = Fingerprints.joined([one.take(np.isin(one.high, equal)) for one in parts])
    pairs, counts = np.unique(np.stack([found.high, found.low]), axis=1, return_counts=True)
    high, low = pairs[:, counts > 1]
    return FingerprintSet(Fingerprints(high, low))
