"""Which pictures count as copies of each other, and which do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from support.steel import Gray, brightened, recoded, smaller, steel

from steeldefect.pictures.fingerprints import Fingerprint, take_fingerprint
from training.splitting.duplicates import find_duplicates


@dataclass(frozen=True)
class _Picture:
    name: str
    digest: str
    fingerprint: Fingerprint


def _picture(name: str, gray: Gray) -> _Picture:
    return _Picture(name, gray.tobytes().hex(), take_fingerprint(gray))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "change", [recoded, brightened, smaller, lambda gray: recoded(brightened(gray))]
)
def test_copies_are_found(seed: int, change: Callable[[Gray], Gray]) -> None:
    gray = steel(seed)
    pictures = [_picture("a", gray), _picture("b", change(gray)), _picture("c", steel(seed + 99))]
    (found,) = find_duplicates(pictures)
    assert found.names == ("a", "b")
    assert not found.identical
    assert 0.98 <= found.correlation <= 1.0001


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "change",
    [
        lambda gray: gray[:, ::-1],
        lambda gray: gray[::-1],
        lambda gray: gray[::-1, ::-1],
        lambda gray: np.roll(gray, 100, axis=1),
        lambda gray: 255 - gray,
    ],
)
def test_mirrored_turned_shifted_and_negative_are_not_copies(
    seed: int, change: Callable[[Gray], Gray]
) -> None:
    gray = steel(seed)
    pictures = [_picture("a", gray), _picture("b", np.ascontiguousarray(change(gray)))]
    assert find_duplicates(pictures) == []


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5])
def test_another_defect_in_the_same_picture_is_found_by_a_wider_search(seed: int) -> None:
    gray = steel(seed)
    marked = gray.copy()
    marked[40:80, 150:190] = 160
    pictures = [_picture("a", gray), _picture("b", marked), _picture("c", steel(seed + 99))]
    assert find_duplicates(pictures) == []
    (found,) = find_duplicates(pictures, min_correlation=0.9)
    assert found.names == ("a", "b")


def test_the_same_pixels() -> None:
    pictures = [_picture(name, steel(1)) for name in ("b", "c", "a")]
    (found,) = find_duplicates(pictures)
    assert found.names == ("a", "b", "c")
    assert found.identical
    assert found.correlation == 1.0


def test_pictures_of_one_gray_are_alike_only_if_identical() -> None:
    flat = [np.full((64, 64), level, np.uint8) for level in (0, 0, 90, 200)]
    pictures = [_picture(str(number), gray) for number, gray in enumerate(flat)]
    (found,) = find_duplicates(pictures)
    assert found.names == ("0", "1")


def test_sets_hang_together_over_others_and_come_largest_first() -> None:
    one, other = steel(1), steel(2)
    pictures = [
        _picture("a", one),
        _picture("x", other),
        _picture("b", recoded(one)),
        _picture("y", brightened(other)),
        _picture("c", brightened(one)),
        _picture("alone", steel(3)),
    ]
    assert [found.names for found in find_duplicates(pictures)] == [("a", "b", "c"), ("x", "y")]


def test_pairs_across_blocks_of_the_distance_matrix_are_found() -> None:
    pictures = [_picture(f"{seed:03d}", steel(seed, (64, 64))) for seed in range(600)]
    pictures += [_picture("copy", recoded(steel(7, (64, 64)), 80))]
    pictures += [_picture("near", recoded(steel(599, (64, 64)), 80))]
    found = {one.names for one in find_duplicates(pictures)}
    assert found == {("007", "copy"), ("599", "near")}


def test_no_picture_and_one_picture() -> None:
    assert find_duplicates([]) == []
    assert find_duplicates([_picture("a", steel(1))]) == []
