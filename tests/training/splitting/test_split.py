"""Dividing pictures: complete, by group, stratified, repeatable; parts that overlap."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeldefect.errors import DataError
from steeldefect.pictures import run_lengths
from training.data.dataset import LabelledPicture
from training.recipe import Split
from training.splitting.division import divide_into_folds, parts_of_fold
from training.splitting.duplicates import DuplicateSet
from training.splitting.parts import regrouped
from training.splitting.split import Parts, check_parts, split_pictures, stratum_of
from training.splitting.views import join_groups

SHARES = Split(validation=0.15, test=0.15)


def picture(name: str, classes: tuple[int, ...] = (), group: str = "") -> LabelledPicture:
    runs = {number: run_lengths.parse("1 2") for number in classes}
    return LabelledPicture(name, Path(name), (4, 4), bool(classes), runs, group or name)


def pictures(count: int) -> list[LabelledPicture]:
    """Return pictures: 40% clean, 45% of class 1, 15% of class 2."""
    kinds: list[tuple[int, ...]] = [()] * 8 + [(1,)] * 9 + [(2,)] * 3
    return [picture(f"p{n:04d}", kinds[n % 20]) for n in range(count)]


def grouped_pictures(seed: int, sizes: list[int]) -> list[LabelledPicture]:
    """Return pictures in groups of the given sizes, with random classes."""
    rng = np.random.default_rng(seed)
    return [
        picture(f"g{group}_{n}", ((), (1,), (1, 2))[rng.integers(3)], f"g{group}")
        for group, size in enumerate(sizes)
        for n in range(size)
    ]


def alike(*names: str) -> DuplicateSet:
    return DuplicateSet(names, identical=False, correlation=0.99)


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
    parts = split_pictures(grouped_pictures(seed, sizes), SHARES, seed)
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


# -- folds ----------------------------------------------------------------------------------------


def test_folds_are_even_in_size_and_strata() -> None:
    folds = divide_into_folds(pictures(400), 5, seed=0)
    assert len(folds) == 5
    for members in folds.members:
        assert len(members) == pytest.approx(80, abs=4)
        kinds = Counter(tuple(one.runs) for one in members)
        assert kinds[()] / len(members) == pytest.approx(0.40, abs=0.04)
        assert kinds[(2,)] / len(members) == pytest.approx(0.15, abs=0.04)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    sizes=st.lists(st.integers(1, 6), min_size=20, max_size=40),
    count=st.integers(2, 5),
)
def test_every_picture_is_tested_once_and_groups_are_whole(
    seed: int, sizes: list[int], count: int
) -> None:
    everything = grouped_pictures(seed, sizes)
    folds = divide_into_folds(everything, count, seed)
    tested: list[str] = []
    for fold in range(count):
        parts = parts_of_fold(folds, fold, 0.15, seed)
        check_parts(parts, duplicates=())
        assert sum(parts.counts().values()) == len(everything)
        tested += [one.name for one in parts.test]
    assert sorted(tested) == sorted(one.name for one in everything)


def test_folds_repeat_whatever_the_order() -> None:
    given_pictures = pictures(100)
    one = divide_into_folds(given_pictures, 4, seed=3)
    assert divide_into_folds(given_pictures[::-1], 4, seed=3) == one
    assert divide_into_folds(given_pictures, 4, seed=4) != one
    parts = [parts_of_fold(one, 1, 0.15, seed=3) for _ in range(2)]
    assert parts[0] == parts[1]
    assert len(parts[0].validation) == pytest.approx(15, abs=2)


def test_few_pictures_of_each_class_are_spread_as_clean_and_defective() -> None:
    everything = [picture(f"p{n}", (1 + n % 4,) if n < 6 else ()) for n in range(10)]
    folds = divide_into_folds(everything, 5, seed=0)
    assert sorted(one.name for fold in folds.members for one in fold) == sorted(
        one.name for one in everything
    )
    for members in folds.members:
        assert len(members) == 2
        assert any(one.defective for one in members)


def test_too_many_folds() -> None:
    with pytest.raises(DataError, match="6 in 6 groups; take fewer folds"):
        divide_into_folds(pictures(6), 7, seed=0)


# -- near-duplicates and groups -------------------------------------------------------------------


def test_near_duplicates_join_groups() -> None:
    given_pictures = [
        picture("a1", group="a"),
        picture("a2", group="a"),
        picture("b1", group="b"),
        picture("c"),
        picture("d"),
        picture("e"),
    ]
    groups = join_groups(given_pictures, [alike("a2", "b1"), alike("b1", "c"), alike("d", "e")])
    assert groups == {"a1": "a", "a2": "a", "b1": "a", "c": "a", "d": "d", "e": "d"}


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_joined_groups_hold_every_group_and_every_set(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=4, max_size=12))
    given_pictures = grouped_pictures(0, sizes)
    names = st.sampled_from([one.name for one in given_pictures])
    sets = data.draw(st.lists(st.lists(names, min_size=2, max_size=3, unique=True), max_size=6))
    found = [alike(*sorted(members)) for members in sets]
    groups = join_groups(given_pictures, found)
    own = {one.name: one.group for one in given_pictures}
    for one in found:
        assert len({groups[name] for name in one.names}) == 1
    for group in set(own.values()):
        assert len({groups[name] for name in own if own[name] == group}) == 1
    # nothing is joined without a reason: each set joins at most as many groups as it has members
    joins = sum(len({own[name] for name in one.names}) - 1 for one in found)
    assert len(set(groups.values())) >= len(set(own.values())) - joins
    assert groups == join_groups(given_pictures[::-1], found[::-1])


# -- overlap --------------------------------------------------------------------------------------


def test_parts_without_overlap_pass() -> None:
    parts = split_pictures(pictures(60), SHARES, seed=0)
    name = parts.train[0].name
    check_parts(parts, [alike(name, parts.train[1].name)])


@pytest.mark.parametrize(
    ("one", "other"), [("train", "validation"), ("train", "test"), ("validation", "test")]
)
def test_overlap_is_refused_between_any_two_parts(one: str, other: str) -> None:
    parts = split_pictures(pictures(60), SHARES, seed=0)
    first, second = parts.named()[one][0], parts.named()[other][0]
    where = " and ".join(sorted((one, other)))
    again = Parts(**{**parts.named(), other: (*parts.named()[other], first)})
    with pytest.raises(DataError, match=rf"same picture in two parts: {first.name} \({where}\)"):
        check_parts(again, ())
    together = parts.regrouped({first.name: "g", second.name: "g"})
    with pytest.raises(DataError, match=rf"one group in two parts: g \({where}\)"):
        check_parts(together, ())
    with pytest.raises(DataError, match="near-duplicates in two parts") as caught:
        check_parts(parts, [alike(*sorted((first.name, second.name)))])
    assert f"{first.name} ({one})" in str(caught.value)
    assert f"{second.name} ({other})" in str(caught.value)
    assert "python -m training split" in str(caught.value)


def test_overlap_lists_the_first_few_of_each_kind() -> None:
    same = [picture(f"p{n}", (1,), "g") for n in range(9)]
    parts = Parts(tuple(same), tuple(same[:8]), (picture("z", (1,), "g"),))
    with pytest.raises(DataError, match="and 3 more; pictures of one group") as caught:
        check_parts(parts, [alike("p1", "z")])
    assert "g (test and train and validation)" in str(caught.value)
    assert "p1 (train) ~ p1 (validation)" in str(caught.value)


def test_pictures_keep_groups_that_are_not_given() -> None:
    changed = regrouped([picture("a", group="x"), picture("b", group="x")], {"a": "y"})
    assert [one.group for one in changed] == ["y", "x"]
