"""Keys compared by fingerprints: equal pairs are found, and no other pair is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeldefect.plan.fingerprints import Fingerprinter, Fingerprints, FingerprintSet, doubled

MAKE = Fingerprinter()
TEXTS = st.text(max_size=4)


def column(*texts: str) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.string())])


@given(
    st.lists(st.tuples(TEXTS, TEXTS), max_size=20),
    st.lists(st.tuples(TEXTS, TEXTS), max_size=20),
)
def test_a_set_holds_its_pairs_and_no_others(
    members: list[tuple[str, str]], wanted: list[tuple[str, str]]
) -> None:
    pairs = [(key.replace("\0", ""), etag.replace("\0", "")) for key, etag in members]
    asked = [(key.replace("\0", ""), etag.replace("\0", "")) for key, etag in wanted + members]

    def of(rows: list[tuple[str, str]]) -> Fingerprints:
        return MAKE.of(column(*(key for key, _ in rows)), column(*(etag for _, etag in rows)))

    assert FingerprintSet(of(pairs)).holds(of(asked)).tolist() == [one in pairs for one in asked]
    counts = [pairs.count(one) > 1 for one in asked]
    assert doubled([of(pairs[:5]), of(pairs[5:])]).holds(of(asked)).tolist() == counts
    assert len(doubled([of(pairs)])) == len({one for one in pairs if pairs.count(one) > 1})


def words(*values: int) -> np.ndarray:
    return np.array(values, np.uint64)


@pytest.mark.parametrize("order", [1, -1])
def test_fingerprints_with_equal_upper_bits_are_told_apart(order: int) -> None:
    members = FingerprintSet(Fingerprints(words(5, 7, 7, 7, 9)[::order], words(1, 2, 3, 4, 5)))
    low = {1: [2, 3, 4], -1: [2, 3, 4]}[order]
    wanted = Fingerprints(words(7, 7, 7, 7, 5, 9, 6, 10), words(*low, 9, 0, 0, 0, 0))
    assert members.holds(wanted).tolist() == [True, True, True, *[False] * 5]


def test_another_run_has_other_fingerprints() -> None:
    one, other = (Fingerprinter().of(column("a"), "e1") for _ in range(2))
    assert (one.high[0], one.low[0]) != (other.high[0], other.low[0])
