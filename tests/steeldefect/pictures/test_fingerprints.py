"""Fingerprints of pictures, and when two of them are similar.

`tests/training/splitting/test_duplicates.py` compares many kinds of copies.
"""

from __future__ import annotations

import numpy as np
from support.steel import brightened, recoded, smaller, steel

from steeldefect.pictures.fingerprints import (
    HASH_BITS,
    MAX_DISTANCE,
    MIN_CORRELATION,
    digest_of,
    find_similar,
    similar_pairs,
    take_fingerprint,
)


def test_hash_of_different_pictures_is_half_apart() -> None:
    one, other = (take_fingerprint(steel(seed)).bits for seed in (1, 2))
    distance = int(np.bitwise_count(one ^ other).sum())
    assert MAX_DISTANCE < distance < HASH_BITS
    assert one.shape == (4,)


def test_the_first_similar_one_is_found_as_among_all_pairs() -> None:
    pictures = [steel(1), steel(2), recoded(steel(1)), smaller(steel(1)), steel(3)]
    prints = [take_fingerprint(one) for one in pictures]
    asked = take_fingerprint(brightened(steel(1)))
    assert find_similar(asked, prints, MIN_CORRELATION) == 0
    assert find_similar(asked, prints[1:], MIN_CORRELATION) == 1
    assert find_similar(take_fingerprint(steel(4)), prints, MIN_CORRELATION) is None
    assert find_similar(asked, [], MIN_CORRELATION) is None
    pairs = {(one, other) for one, other, _ in similar_pairs(prints, MIN_CORRELATION)}
    assert pairs == {(0, 2), (0, 3), (2, 3)}


def test_pictures_of_one_gray_have_no_pattern() -> None:
    flat = take_fingerprint(np.full((64, 64), 90, np.uint8))
    assert not flat.pattern.any()
    assert find_similar(flat, [flat], 0.9) is None


def test_digest_is_that_of_the_pixels_and_their_shape() -> None:
    gray = steel(1, (8, 16))
    assert digest_of(gray) == digest_of(gray.copy())
    assert len({digest_of(one) for one in (gray, gray.T, gray.reshape(16, 8), steel(2))}) == 4
