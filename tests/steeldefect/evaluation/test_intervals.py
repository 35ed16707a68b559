"""Intervals by the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from steeldefect.evaluation.intervals import Ratio, Sums, estimate, interval

HITS, ALL = ("hits", None), ("all", None)
SHARE = Ratio("share", "overall", {HITS: 1.0}, {ALL: 1.0}, {ALL: 1.0})


def sums_of(hits: list[float], every: list[float], units: list[int] | None = None) -> Sums:
    count = np.arange(len(hits))
    sums = Sums(count if units is None else np.array(units))
    sums.add(HITS, count, np.array(hits))
    sums.add(ALL, count, np.array(every))
    return sums


def test_values_and_supports_are_those_of_all_pictures() -> None:
    found = estimate(sums_of([1, 0, 2], [2, 2, 4]), [SHARE], draws=0)
    assert (found.values.tolist(), found.supports.tolist()) == ([3 / 8], [8])
    assert found.draws.shape == (0, 1)
    assert interval(found.draws[:, 0]) is None


def test_draws_are_ratios_of_drawn_pictures() -> None:
    """Each draw takes as many pictures as there are: its ratio is one of few that are possible."""
    draws = estimate(sums_of([1, 0, 0], [1, 1, 1]), [SHARE], draws=500).draws[:, 0]
    assert len(draws) == 500
    counts = np.bincount(np.rint(draws * 3).astype(int), minlength=4)
    assert counts.tolist() == pytest.approx(500 * np.array([8, 12, 6, 1]) / 27, abs=45)


def test_the_interval_of_a_share_is_that_of_its_binomial() -> None:
    hits = [1.0] * 60 + [0.0] * 140
    draws = estimate(sums_of(hits, [1.0] * 200), [SHARE], draws=2000).draws[:, 0]
    spread = 1.96 * np.sqrt(0.3 * 0.7 / 200)
    assert interval(draws) == pytest.approx((0.3 - spread, 0.3 + spread), abs=0.01)


def test_groups_are_drawn_whole() -> None:
    """Pictures of a group are alike: the interval is that of the few groups."""
    hits = ([1.0] * 50 + [0.0] * 50) * 2
    groups = [number // 50 for number in range(200)]
    wide = estimate(sums_of(hits, [1.0] * 200, groups), [SHARE], draws=400).draws[:, 0]
    assert set(np.rint(wide * 4)) == {0, 1, 2, 3, 4}
    narrow = estimate(sums_of(hits, [1.0] * 200), [SHARE], draws=400).draws[:, 0]
    assert wide.std() > 4 * narrow.std()


def test_the_same_pictures_give_the_same_interval() -> None:
    first, second = (estimate(sums_of([1, 0, 2], [2, 2, 4]), [SHARE], 40).draws for _ in range(2))
    assert first.tolist() == second.tolist()
    more = estimate(sums_of([1, 0, 2], [2, 2, 4]), [SHARE], 17).draws
    assert more.tolist() == first[:17].tolist()


def test_draws_without_a_divisor_are_left_out() -> None:
    draws = estimate(sums_of([1, 0], [1, 0]), [SHARE], draws=200).draws[:, 0]
    assert np.isnan(draws).any()
    assert interval(draws) == (1.0, 1.0)
    nothing = estimate(sums_of([0, 0], [0, 0]), [SHARE], draws=20)
    assert np.isnan(nothing.values[0])
    assert interval(nothing.draws[:, 0]) is None
