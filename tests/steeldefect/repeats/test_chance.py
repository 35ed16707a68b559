"""The p-values of combs: exact by counting, and not too small in a simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.watch.repeats import RANDOM
from steeldefect.repeats.chance import comb_p_values, corrected, needed_hits, occupancy_tails
from steeldefect.repeats.rolls import find_rolls
from steeldefect.watch_settings import MAX_INNER, MAX_TURNS, RollSettings


@pytest.mark.parametrize(("balls", "cells", "share"), [(0, 3, 0.1), (3, 2, 0.2), (4, 3, 0.25)])
def test_tails_are_those_of_counting_every_case(balls: int, cells: int, share: float) -> None:
    chances = [share] * cells + [1 - share * cells]
    expected = np.zeros(cells + 1)
    for case in itertools.product(range(cells + 1), repeat=balls):
        hit = len({cell for cell in case if cell < cells})
        expected[: hit + 1] += np.prod([chances[cell] for cell in case])
    assert occupancy_tails(balls, cells, share)[balls] == pytest.approx(expected)


def test_a_comb_of_too_few_marks_is_worth_nothing() -> None:
    settings = RollSettings()
    assert needed_hits(3, settings) == 2
    assert needed_hits(9, settings) == 4
    table = comb_p_values(settings)
    assert (table[:, 9, :4] == 1).all()
    assert (table[:, 9, 9:] == 0).all()
    assert 0 < table[2, 3, 2] < 0.002


def test_corrected_adds_what_each_try_may_attain() -> None:
    settings = RollSettings()
    table = comb_p_values(settings)
    tried = np.zeros((MAX_INNER + 1, MAX_TURNS + 1), np.int64)
    tried[2, 3], tried[2, 4], tried[3, 4] = 5, 2, 1
    own = float(table[2, 4, 2])
    attained = 5 * table[2, 3, 2] + 2 * own + table[3, 4, 3]
    assert corrected(own, tried, settings) == pytest.approx(attained)
    assert corrected(0.9, tried * 100, settings) == 1


@pytest.mark.parametrize("kind", ["small_bursts", "bursts"])
def test_p_values_are_not_too_small(kind: str) -> None:
    alpha, coils = 0.05, 300
    settings = RollSettings(alpha=alpha, max_rolls=1)
    given = sum(
        bool(find_rolls(RANDOM[kind](3, number).frame(), settings).rolls) for number in range(coils)
    )
    assert given <= alpha * coils + 3 * np.sqrt(alpha * coils)
