"""The split: complete, by group, stratified, repeatable."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeldefect import rle
from steeldefect.errors import DataError
from training.dataset import LabelledPicture
from training.recipe import Split
from training.split import split_pictures, stratum_of

SHARES = Split(validation=0.15, test=0.15)


def picture(name: str, classes: tuple[int, ...] = (), group: str = "") -> LabelledPicture:
    runs = {number: rle.parse("1 2") for number in classes}
    return LabelledPicture(name, Path(name), (4, 4), bool(classes), runs, group or name)


def pictures(count: int) -> list[LabelledPicture]:
    """40% clean, 45% of class 1, 15% of class 2."""
    kinds: list[tuple[int, ...]] = [()] * 8 + [(1,)] * 9 + [(2,)] * 3
    return [picture(f"p{n:04d}", kinds[n % 20]) for n in range(count)]


def test_every_picture_is_in_exactly_one_part() -> None:
    given_pictures = pictures(200)
    parts = split_pictures(given_pictures, SHARES, seed=0)
    names = [one.name for part in parts.named().values() for one in part]
    assert sorted(names) == [one.name for one in given_pictures]


def test_shares_and_strata_are_met() -> None:
    parts = split_pictures(pictures(400), SHARES, seed=0)
    for part in (parts.validation, parts.test):
        assert len(part) / 400 == pytest.approx(0.15, abs=0.02)
        kinds = Counter(tuple(one.runs) for one in part)
        assert kinds[()] / len(part) == pytest.approx(0.40, abs=0.04)
        assert kinds[(2,)] / len(part) == pytest.approx(0.15, abs=0.04)


def test_a_seed_repeats_whatever_the_order() -> None:
    given_pictures = pictures(100)
    one = split_pictures(given_pictures, SHARES, seed=3)
    assert split_pictures(given_pictures[::-1], SHARES, seed=3) == one
    assert split_pictures(given_pictures, SHARES, seed=4) != one


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), sizes=st.lists(st.integers(1, 6), min_size=12, max_size=30))
def test_groups_are_never_divided(seed: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(seed)
    grouped = [
        picture(f"g{group}_{n}", ((), (1,), (1, 2))[rng.integers(3)], f"g{group}")
        for group, size in enumerate(sizes)
        for n in range(size)
    ]
    parts = split_pictures(grouped, SHARES, seed)
    groups = [{one.group for one in part} for part in parts.named().values()]
    assert not (groups[0] & groups[1])
    assert not (groups[0] & groups[2])
    assert not (groups[1] & groups[2])


def test_a_stratum_is_the_rarest_class() -> None:
    counts = Counter({1: 10, 2: 3})
    assert stratum_of(picture("a", (1, 2)), counts) == "class 2"
    assert stratum_of(picture("a"), counts) == "clean"
    unknown = LabelledPicture("a", Path("a"), (4, 4), True, {}, "a")
    assert stratum_of(unknown, counts) == "defective without masks"


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_pictures(count: int) -> None:
    with pytest.raises(DataError, match="too few pictures"):
        split_pictures(pictures(count), SHARES, seed=0)


def test_one_group_cannot_be_split() -> None:
    grouped = [picture(f"p{n}", (1,), "all") for n in range(30)]
    with pytest.raises(DataError, match="30 in 1 groups"):
        split_pictures(grouped, SHARES, seed=0)


def test_csv_lists_every_picture_by_name() -> None:
    parts = split_pictures(pictures(20), SHARES, seed=0)
    lines = parts.to_csv().splitlines()
    assert lines[0] == "ImageId,split,group"
    assert len(lines) == 21
    assert lines[1:] == sorted(lines[1:])
