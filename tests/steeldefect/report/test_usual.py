"""What changed against the usual nights: Newcombe's interval, coils, the range of the nights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from steeldefect.report.answers import Answer
from steeldefect.report.usual import (
    ENOUGH_NIGHTS,
    Change,
    Share,
    compare_with_usual,
    difference_interval,
    wilson,
)

Z = float(-ndtri(0.025))


@pytest.mark.parametrize(
    ("hits", "count", "expected"),
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_wilson_is_that_of_newcombe_1998a(
    hits: int, count: int, expected: tuple[float, float]
) -> None:
    """Table I of "Two-sided confidence intervals for the single proportion", method 3."""
    assert wilson(hits / count, count, Z) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((0, 10), (0, 10), (-0.2775, 0.2775)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_differences_are_those_of_newcombe_1998b(
    one: tuple[int, int], other: tuple[int, int], expected: tuple[float, float]
) -> None:
    """Table II of the source that `usual` names, method 10: pictures are independent."""
    first, second = (Share((count,), (hits,), by_coil=False) for hits, count in (one, other))
    assert difference_interval(first, second, 0.05) == pytest.approx(expected, abs=5e-5)
    low, high = difference_interval(second, first, 0.05)
    assert (-high, -low) == pytest.approx(expected, abs=5e-5)


def drawn(rng: np.random.Generator, coils: int, rate: float, *, by_coil: bool) -> Share:
    """Draw the pictures of coils whose own rates differ: intraclass correlation 0.2."""
    own = rng.beta(rate * 4, (1 - rate) * 4, coils)
    sizes = rng.integers(10, 31, coils)
    return Share(tuple(sizes), tuple(rng.binomial(sizes, own)), by_coil)


def coverage(*, by_coil: bool) -> float:
    rng, held = np.random.default_rng(3), 0
    for _ in range(400):
        night, usual = (drawn(rng, coils, 0.15, by_coil=by_coil) for coils in (30, 120))
        low, high = difference_interval(night, usual, 0.05)
        held += low <= 0 <= high
    return held / 400


def test_the_interval_holds_as_often_as_it_says_where_pictures_of_a_coil_are_alike() -> None:
    assert coverage(by_coil=True) == pytest.approx(0.95, abs=0.03)
    assert coverage(by_coil=False) < 0.8, "coils would not matter"


def test_one_coil_says_nothing() -> None:
    one = Share((50,), (25,), by_coil=True)
    assert difference_interval(one, one, 0.05) == (-1.0, 1.0)


def compared(rates: list[float], tonight: float, *, coils: int | None = 25) -> dict[str, Change]:
    """Compare a night with earlier ones of given shares: 1,000 pictures each, on some coils."""
    pictures, classes = [], []
    for number, rate in enumerate([*rates, tonight]):
        for coil in range(coils or 1):
            count = 1_000 // (coils or 1)
            place = {"run_id": f"run-{number}", "coil": None if coils is None else f"coil {coil}"}
            hits = round(rate * count)
            pictures.append(place | {"pictures": count, "defective": hits, "stopped": count - hits})
            classes.append(place | {"class_id": 1, "pictures": hits})
    found = compare_with_usual(
        f"run-{len(rates)}",
        {1: "bright", 2: "dark"},
        Answer("", tuple(pictures)),
        Answer("", tuple(classes)),
    )
    return {one.name: one for one in found}


def test_a_night_states_its_shares_and_those_of_the_usual_nights() -> None:
    found = compared([0.1, 0.2], 0.3)
    assert list(found) == [
        *("pictures with a defect", "pictures stopped by the gate"),
        *("pictures with bright", "pictures with dark"),
    ]
    one = found["pictures with a defect"]
    assert (one.tonight, one.usual, one.least, one.most) == (0.3, 0.15, 0.1, 0.2)
    assert (one.difference, one.nights, one.more) == (pytest.approx(0.15), 2, True)
    assert (one.low > 0, one.changed) == (True, True)
    stopped = found["pictures stopped by the gate"]
    assert (stopped.tonight, stopped.more, stopped.changed) == (0.7, False, True)
    dark = found["pictures with dark"]
    assert (dark.tonight, dark.usual, dark.changed) == (0.0, 0.0, False)


def test_the_intervals_of_a_night_hold_together() -> None:
    one = compared([0.1], 0.3, coils=None)["pictures with a defect"]
    night, usual = Share((1_000,), (300,), by_coil=False), Share((1_000,), (100,), by_coil=False)
    assert (one.low, one.high) == difference_interval(night, usual, 0.05 / 4)
    single = difference_interval(night, usual, 0.05)
    assert one.low < single[0] < single[1] < one.high


@pytest.mark.parametrize("nights", [1, 2, 3, 5])
def test_a_night_inside_the_range_of_enough_usual_nights_is_as_usual(nights: int) -> None:
    rates = [0.1, 0.1, 0.3, 0.1, 0.1][-nights:] if nights > 2 else [0.1] * nights
    one = compared(rates, 0.3)["pictures with a defect"]
    assert one.low > 0, "the difference is certain"
    assert one.changed is (nights < ENOUGH_NIGHTS)
    assert compared(rates, 0.31 if nights < 3 else 0.4)["pictures with a defect"].changed


def test_a_small_difference_is_no_change_even_outside_the_range() -> None:
    one = compared([0.1, 0.11, 0.1], 0.12)["pictures with a defect"]
    assert (one.low < 0 < one.high, one.tonight > one.most, one.changed) == (True, True, False)


def test_without_usual_nights_or_pictures_nothing_is_compared() -> None:
    assert compared([], 0.3) == {}
    rows = ({"run_id": "a", "coil": None, "pictures": 3, "defective": 1, "stopped": 0},) * 2
    assert compare_with_usual("tonight", {1: "x"}, Answer("", rows), Answer("", ())) == []


def test_pictures_without_a_coil_do_not_hide_the_coils_of_the_others() -> None:
    rows = []
    for run, rate in (("run-0", 0), ("run-1", 1)):
        rows += [
            {
                "run_id": run,
                "coil": f"c{coil}",
                "pictures": 100,
                "defective": 100 * (coil < 3 * rate + 2),
            }
            for coil in range(20)
        ]
        rows.append({"run_id": run, "coil": None, "pictures": 2, "defective": 1})
    pictures = Answer("", tuple(one | {"stopped": 0} for one in rows))
    one, _ = compare_with_usual("run-1", {}, pictures, Answer("", ()))
    assert one.tonight == (500 + 1) / 2_002
    # all pictures of a coil are alike: 2 of 20 coils and 5 of 20 are no change
    assert (one.low < 0 < one.high, one.changed) == (True, False)
