"""Which pictures count as copies of each other, and which do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from training.splitting.duplicates import (
    HASH_BITS,
    MAX_DISTANCE,
    Fingerprint,
    find_duplicates,
    take_fingerprint,
)

Gray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Picture:
    name: str
    digest: str
    fingerprint: Fingerprint


def _picture(name: str, gray: Gray) -> _Picture:
    return _Picture(name, gray.tobytes().hex(), take_fingerprint(gray))


def _steel(seed: int, shape: tuple[int, int] = (128, 400)) -> Gray:
    """Draw steel: streaks and blotches of several sizes, some grain."""
    rng = np.random.default_rng(seed)
    gray = np.full(shape, 100.0)
    for cells, depth in ((4, 30), (12, 20), (40, 10)):
        coarse = rng.normal(0, depth, (cells, cells)).astype(np.float32)
        gray += cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(gray + rng.normal(0, 4, shape), 0, 255).astype(np.uint8)


def _recoded(gray: Gray, quality: int = 60) -> Gray:
    encoded = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _brightened(gray: Gray) -> Gray:
    return np.clip(gray * 1.08 + 8, 0, 255).astype(np.uint8)


def _smaller(gray: Gray) -> Gray:
    return np.asarray(cv2.resize(gray, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "change", [_recoded, _brightened, _smaller, lambda gray: _recoded(_brightened(gray))]
)
def test_copies_are_found(seed: int, change: Callable[[Gray], Gray]) -> None:
    gray = _steel(seed)
    pictures = [_picture("a", gray), _picture("b", change(gray)), _picture("c", _steel(seed + 99))]
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
    gray = _steel(seed)
    pictures = [_picture("a", gray), _picture("b", np.ascontiguousarray(change(gray)))]
    assert find_duplicates(pictures) == []


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5])
def test_another_defect_in_the_same_picture_is_found_by_a_wider_search(seed: int) -> None:
    gray = _steel(seed)
    marked = gray.copy()
    marked[40:80, 150:190] = 160
    pictures = [_picture("a", gray), _picture("b", marked), _picture("c", _steel(seed + 99))]
    assert find_duplicates(pictures) == []
    (found,) = find_duplicates(pictures, min_correlation=0.9)
    assert found.names == ("a", "b")


def test_the_same_pixels() -> None:
    pictures = [_picture(name, _steel(1)) for name in ("b", "c", "a")]
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
    one, other = _steel(1), _steel(2)
    pictures = [
        _picture("a", one),
        _picture("x", other),
        _picture("b", _recoded(one)),
        _picture("y", _brightened(other)),
        _picture("c", _brightened(one)),
        _picture("alone", _steel(3)),
    ]
    assert [found.names for found in find_duplicates(pictures)] == [("a", "b", "c"), ("x", "y")]


def test_pairs_across_blocks_of_the_distance_matrix_are_found() -> None:
    pictures = [_picture(f"{seed:03d}", _steel(seed, (64, 64))) for seed in range(600)]
    pictures += [_picture("copy", _recoded(_steel(7, (64, 64)), 80))]
    pictures += [_picture("near", _recoded(_steel(599, (64, 64)), 80))]
    found = {one.names for one in find_duplicates(pictures)}
    assert found == {("007", "copy"), ("599", "near")}


def test_hash_of_different_pictures_is_half_apart() -> None:
    one, other = (take_fingerprint(_steel(seed)).bits for seed in (1, 2))
    distance = int(np.bitwise_count(one ^ other).sum())
    assert MAX_DISTANCE < distance < HASH_BITS
    assert one.shape == (4,)


def test_no_picture_and_one_picture() -> None:
    assert find_duplicates([]) == []
    assert find_duplicates([_picture("a", _steel(1))]) == []
