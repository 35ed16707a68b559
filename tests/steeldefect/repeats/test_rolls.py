"""Planted rolls are found, what is no roll is not."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from benchmarks.watch.repeats import RANDOM, Coil, Roll, alarms, found_share, is_found
from steeldefect.repeats.repeat import Kind
from steeldefect.repeats.rolls import find_rolls
from steeldefect.watch_settings import RollSettings

ROLL = Roll(1_200, 103_000, 412, turns=12, class_id=3)


def coil_with(*rolls: Roll, seed: int = 1, others: int = 30) -> Coil:
    coil = Coil(np.random.default_rng(seed), 800_000).uniform(others)
    for roll in rolls:
        coil.roll(roll)
    return coil


@pytest.mark.parametrize("turns", [5, 6, 12, 40])
def test_rate_of_planted_rolls(turns: int) -> None:
    found, others = found_share(11, 200, turns)
    assert found >= 190
    assert others <= 8


@pytest.mark.parametrize("kind", ["uniform", "bursts", "small_bursts", "lanes"])
def test_rate_of_false_alarms(kind: str) -> None:
    assert alarms(kind, 12, 300)[0] <= 3


def test_the_row_is_that_of_an_independent_count() -> None:
    defects = coil_with(ROLL).frame()
    (found,) = find_rolls(defects).rolls
    lane = defects[(defects["class_id"] == 3) & ((defects["across_mm"] - 412).abs() < 20)]
    turn = (lane["along_mm"] - ROLL.begin_mm) / ROLL.period_mm
    marks = lane[((turn - turn.round()).abs() < 0.05) & turn.round().between(0, 11)]
    assert found.members.tolist() == marks.index.tolist()
    slope = np.polyfit(turn.round().loc[marks.index], marks["along_mm"], 1)[0]
    assert found.period_mm == pytest.approx(slope)
    assert found.diameter_mm == pytest.approx(slope / math.pi)
    assert len(found.marks) == 10
    assert (found.begin_mm, found.end_mm) == (marks["along_mm"].min(), marks["along_mm"].max())
    low, high = marks["across_mm"].min(), marks["across_mm"].max()
    assert (found.lane_mm, found.lane_width_mm) == pytest.approx(((low + high) / 2, high - low))
    assert found.sentence == (
        f"roll of {slope / math.pi:,.0f} mm diameter: 10 marks of class class 3 every "
        f"{slope:,.0f} mm, in the lane at {(low + high) / 2:,.0f} mm, from "
        f"{found.begin_mm / 1000:.1f} m to {found.end_mm / 1000:.1f} m"
    )


def test_two_rolls_are_both_found() -> None:
    second = Roll(1_730, 90_000, 420, turns=20, class_id=3)
    rolls = find_rolls(coil_with(ROLL, second).frame()).rolls
    assert is_found(ROLL, rolls)
    assert is_found(second, rolls)
    assert sorted(one.roll for one in rolls) == [1, 2]


@pytest.mark.parametrize(("ratio", "said"), [(2, "2 times"), (3, "3 times"), (0.5, "1/2 of")])
def test_harmonics_belong_to_their_roll(ratio: float, said: str) -> None:
    roll = Roll(1_200, 103_000, 412, turns=60, missing=0, jitter=0.002)
    turns = round(20 / ratio)
    other = Roll(1_200 * ratio, 103_290, 412, turns=turns, missing=0, jitter=0.002)
    first, second = find_rolls(coil_with(roll, other).frame()).rolls
    assert (first.kind, first.roll, first.ratio) == (Kind.ROLL, 1, 1)
    assert (second.kind, second.roll, second.ratio) == (Kind.HARMONIC, 1, ratio)
    assert second.sentence.startswith(f"{said} the period of roll 1, no other roll")


@pytest.mark.parametrize("turns", [8, 24, 100])
def test_a_roll_is_one_row_not_two_and_three_turns(turns: int) -> None:
    for seed in range(30):
        coil = Coil(np.random.default_rng([seed, turns]), 800_000).uniform(30)
        coil.roll(Roll(1_200, 103_000, 412, turns=turns))
        (found,) = find_rolls(coil.frame()).rolls
        assert found.period_mm == pytest.approx(1_200, rel=0.01)


def test_two_places_of_one_roll_have_one_number() -> None:
    elsewhere = Roll(1_200, 104_000, 900, turns=12, class_id=2)
    rolls = find_rolls(coil_with(ROLL, elsewhere).frame()).rolls
    assert [(one.kind, one.roll) for one in rolls] == [(Kind.ROLL, 1), (Kind.ROLL, 1)]


def test_order_direction_and_duplicates_change_nothing() -> None:
    defects = coil_with(ROLL).frame()
    (plain,) = find_rolls(defects).rolls
    mirrored = defects.assign(along_mm=-defects["along_mm"])
    (back,) = find_rolls(mirrored).rolls
    assert back.period_mm == pytest.approx(plain.period_mm)
    assert back.members.tolist() == plain.members.tolist()
    again = defects.assign(key="other.jpg", along_mm=defects["along_mm"] + 3)
    (twice,) = find_rolls(pd.concat([defects, again], ignore_index=True)).rolls
    assert len(twice.marks) == len(plain.marks)
    assert len(twice.members) == 2 * len(plain.members)
    assert twice.p_value == pytest.approx(plain.p_value)
    (shuffled,) = find_rolls(defects.sample(frac=1, random_state=1, ignore_index=True)).rolls
    assert shuffled.period_mm == pytest.approx(plain.period_mm)


@pytest.mark.parametrize("column", ["along_mm", "across_mm"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_what_has_no_place_takes_no_part(column: str, value: float) -> None:
    defects = coil_with(ROLL).frame()
    lost = defects.assign(**{column: value})
    found = find_rolls(pd.concat([lost, defects], ignore_index=True))
    assert found.used == len(defects)
    assert len(found.rolls) == 1
    assert find_rolls(lost).rolls == ()
    assert find_rolls(defects.assign(coil=None)).used == 0
    assert find_rolls(defects[:0]).rolls == ()


def test_other_class_camera_or_side_is_no_mark() -> None:
    defects = coil_with(Roll(1_200, 103_000, 412, turns=6, missing=0), others=0).frame()
    for name, values in (
        ("class_id", [1, 2]),
        ("camera", ["a", None]),
        ("side", ["top", "bottom"]),
    ):
        mixed = defects.assign(**{name: values * 3})
        assert find_rolls(mixed).rolls == ()


def test_marks_at_one_place_of_the_pictures_are_no_roll() -> None:
    defects = coil_with(Roll(512, 103_000, 412, turns=30, jitter=0.001)).frame()
    defects.loc[30:, "centroid_x"] = 412.0
    (found,) = find_rolls(defects).rolls
    assert found.kind is Kind.PICTURE
    assert found.sentence.startswith("one place of the pictures, as dirt gives it, no roll")


def test_a_drifting_roll_is_followed_to_its_end() -> None:
    roll = Roll(900, 50_000, 700, turns=300, class_id=2, drift=0.003)
    (found,) = find_rolls(coil_with(roll).frame()).rolls
    assert len(found.marks) > 220
    assert found.turns > 290


def test_thousands_of_defects_take_bounded_time() -> None:
    coil = RANDOM["dense"](5, 0)
    coil.roll(Roll(1_200, 103_000, 412, turns=60))
    found = find_rolls(coil.frame(), RollSettings(budget=1_000_000))
    assert found.thinned
    assert [round(one.period_mm / 1_200, 2) for one in found.rolls] == [1.0]


@pytest.mark.parametrize("wrong", [{"min_period_mm": 7_000}, {"merge_mm": 100}, {"min_marks": 3}])
def test_settings_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"_mm|min_marks"):
        RollSettings(**wrong)  # type: ignore[arg-type]
