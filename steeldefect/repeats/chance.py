"""How likely a comb of marks is by chance, and the correction for every comb that was tried.

A comb has a first and a last event of a lane, and a number of turns between them. The period is
their distance divided by the turns. The teeth are the inner turns, each with a tolerance on both
sides. The number of events between the two is taken as given. If no roll printed them, they lie
anywhere between the two, independently. So the number of teeth that are hit has the distribution of
an occupancy problem: each event is a ball that falls into each of `turns - 1` cells with the
probability `2 tolerance / turns`, and else into none (Feller, "An Introduction to Probability
Theory and Its Applications", volume 1, chapter II.5; Johnson and Kotz, "Urn Models", 1977). Several
events in one tooth count once.

What the events do elsewhere on the coil does not matter: a comb in a dense stretch is compared with
that stretch. So bursts of defects give no alarm merely because they are dense.

The correction is the union bound for discrete tests (Westfall and Wolfinger, "Multiple Tests with
Discrete Distributions", The American Statistician 51, 1997): the corrected p-value of a comb is the
sum, over every comb tried, of the largest attainable p-value that is not above the comb's own. A
comb that cannot reach such a small value, because too few events lie in it, adds nothing.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from steeldefect.watch_settings import MAX_INNER, MAX_TURNS, RollSettings

Float64 = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_EQUAL = 1 + 1e-9  # two ways to compute one p-value may differ by rounding


@lru_cache(maxsize=8)
def comb_p_values(settings: RollSettings) -> Float64:
    """Return the p-value of each comb, float64 (inner events, turns, teeth hit).

    It is 1 where the teeth are fewer than a roll needs, and 0 where the comb has fewer teeth.

    Args:
        settings: tolerance, fewest marks, and smallest share of turns with a mark.
    """
    made = np.zeros((MAX_INNER + 1, MAX_TURNS + 1, MAX_TURNS + 1))
    for turns in range(1, MAX_TURNS + 1):
        made[:, turns, :turns] = occupancy_tails(MAX_INNER, turns - 1, _share(settings, turns))
        made[:, turns, : needed_hits(turns, settings)] = 1.0
    made.flags.writeable = False  # it is shared
    return made


def _share(settings: RollSettings, turns: int) -> float:
    """Return the share of the stretch between first and last mark that one tooth covers."""
    return 2 * settings.tolerance / turns


def needed_hits(turns: int, settings: RollSettings) -> int:
    """Return how many inner turns of a comb must have a mark."""
    marks = max(settings.min_marks, int(np.ceil(settings.min_fill * (turns + 1) - 1e-9)))
    return marks - 2


def occupancy_tails(balls: int, cells: int, share: float) -> Float64:
    """Return the probability that at least h cells are hit, float64 (balls + 1, cells + 1).

    Args:
        balls: largest number of balls.
        cells: number of cells.
        share: probability that a ball falls into one given cell; `cells * share` is at most 1.
    """
    made = np.zeros((balls + 1, cells + 1))
    made[0, 0] = 1.0
    fresh = (cells - np.arange(cells + 1)) * share  # a ball hits a cell that was empty
    for ball in range(balls):
        made[ball + 1] = made[ball] * (1 - fresh)
        made[ball + 1, 1:] += made[ball, :-1] * fresh[:-1]
    return np.cumsum(made[:, ::-1], axis=1)[:, ::-1]


def corrected(p_value: float, tried: Integers, settings: RollSettings) -> float:
    """Return the p-value corrected for all combs tried, at most 1.

    Args:
        p_value: p-value of one comb.
        tried: int64 (inner events, turns), number of combs of each form that were tried.
        settings: those of the search.
    """
    inner, turns = np.nonzero(tried)
    ladders = comb_p_values(settings)[inner, turns]
    levels = np.where(ladders <= p_value * _EQUAL, ladders, 0.0).max(axis=1, initial=0.0)
    return float(min(1.0, levels @ tried[inner, turns]))
