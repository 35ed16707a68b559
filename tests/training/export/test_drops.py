"""What a form loses against Keras, with its interval."""

from __future__ import annotations

import numpy as np
import pytest

from training.export.drops import dice_drop, recall_drop

HUNDRED = [f"{number:03d}" for number in range(100)]


def test_the_interval_of_dice_is_that_of_paired_differences() -> None:
    random = np.random.default_rng(3)
    expected = random.uniform(0.2, 0.9, 100)  # differs much from picture to picture
    found = expected - random.normal(0.01, 0.02, 100)
    drop = dice_drop(HUNDRED, expected, found)
    assert drop.value == pytest.approx((expected - found).mean())
    assert drop.groups == 100
    assert drop.interval is not None
    low, high = drop.interval
    assert low < drop.value < high
    assert high - low == pytest.approx(4 * 0.02 / 10, rel=0.25)  # 4 standard errors


def test_pictures_of_a_group_count_as_one() -> None:
    expected = np.array([0.9] * 100)
    found = np.array([0.9] * 50 + [0.7] * 50)
    alone = dice_drop(HUNDRED, expected, found).interval
    pairs = dice_drop([f"{number // 25}" for number in range(100)], expected, found)
    assert pairs.groups == 4
    assert alone is not None
    assert pairs.interval is not None
    assert pairs.value == pytest.approx(0.1)
    assert pairs.interval[1] - pairs.interval[0] > 2 * (alone[1] - alone[0])


def test_a_gate_that_loses_nothing_may_still_lose_something() -> None:
    passed = np.ones(100, dtype=bool)
    drop = recall_drop(HUNDRED, passed, passed)
    assert drop.value == 0
    assert drop.interval == pytest.approx((-(1 - 0.0125**0.01), 1 - 0.0125**0.01))


def test_lost_and_gained_pictures_are_both_counted() -> None:
    keras, form = np.ones((2, 100), dtype=bool)
    form[:6] = False
    lost = recall_drop(HUNDRED, keras, form)
    gained = recall_drop(HUNDRED, form, keras)
    assert (lost.value, gained.value) == (pytest.approx(0.06), pytest.approx(-0.06))
    assert lost.interval is not None
    assert gained.interval is not None
    assert lost.interval[1] == pytest.approx(-gained.interval[0])
    assert lost.interval[1] > 0.1  # six of a hundred


def test_pictures_that_are_lost_together_tell_less() -> None:
    keras, form = np.ones((2, 100), dtype=bool)
    form[:6] = False
    six = recall_drop(HUNDRED, keras, form).interval
    one = recall_drop(["a"] * 6 + HUNDRED[6:], keras, form)
    assert one.groups == 95
    assert six is not None
    assert one.interval is not None
    assert one.interval[1] > six[1] + 0.01


def test_without_pictures_there_is_no_drop() -> None:
    nothing = np.empty(0)
    assert dice_drop([], nothing, nothing).value is None
    assert recall_drop([], nothing.astype(bool), nothing.astype(bool)).interval is None
