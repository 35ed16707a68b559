"""The sizes of a wave's tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeldefect.scoring.task_sizes import least_pictures, pictures_for, task_sizes

counts = st.integers(1, 3_000)


@given(counts, st.integers(1, 64), counts, st.integers(1, 64), st.booleans())
def test_every_picture_is_in_one_task(
    pictures: int, cores: int, target: int, least: int, last: bool
) -> None:
    sizes = task_sizes(pictures, cores, target, least, last)
    assert sum(sizes) == pictures
    assert min(sizes) >= 1
    assert max(sizes) <= target


@given(counts, st.integers(1, 64), counts, st.integers(1, 64))
def test_tasks_of_the_last_wave_never_grow(
    pictures: int, cores: int, target: int, least: int
) -> None:
    sizes = task_sizes(pictures, cores, target, least, last=True)
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("pictures", "cores", "target", "expected"),
    [
        (1, 4, 128, [1]),
        (100, 2, 40, [33, 33, 34]),
        (3, 8, 128, [1, 1, 1]),  # as many cores as there are pictures
        (96, 2, 500, [48, 48]),  # every core has something to do
    ],
)
def test_tasks_of_other_waves_are_alike(
    pictures: int, cores: int, target: int, expected: list[int]
) -> None:
    assert task_sizes(pictures, cores, target, least=8, last=False) == expected


def test_the_last_wave_ends_in_small_tasks() -> None:
    sizes = task_sizes(400, at_once=2, target=60, least=10, last=True)
    assert sizes == [60, 60, 60, 55, 42, 31, 23, 18, 13, 10, 10, 10, 8]


def test_tasks_are_cut_by_time_once_the_speed_is_known() -> None:
    assert pictures_for(20, rate=None, unknown=128) == 128
    assert pictures_for(20, rate=7.5, unknown=128) == 150
    assert pictures_for(0.01, rate=7.5, unknown=128) == 1
    assert least_pictures(12.0) == 12
