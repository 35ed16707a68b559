"""The limit of oddness keeps its promise, and says so where it cannot."""

from __future__ import annotations

import numpy as np
import pytest

from training.novelty.limit import choose_limit, fewest_pictures


@pytest.mark.parametrize(("rate", "least"), [(0.005, 199), (0.05, 19), (0.5, 1), (0.3, 3)])
def test_the_least_number_can_keep_the_promise_and_one_less_cannot(rate: float, least: int) -> None:
    assert fewest_pictures(rate) == least
    assert choose_limit(np.arange(1.0, least + 1), rate).false_alarms <= rate + 1e-12
    if least > 1:
        assert choose_limit(np.arange(1.0, least), rate).false_alarms > rate


@pytest.mark.parametrize("count", [19, 40, 400])
def test_new_clean_pictures_are_above_the_limit_as_rarely_as_promised(count: int) -> None:
    random = np.random.default_rng(count)
    scores = random.lognormal(size=(2000, count + 1))
    promised = choose_limit(scores[0, :count], 0.05).false_alarms
    alarms = [choose_limit(one[:count], 0.05).score <= one[count] for one in scores]
    spread = np.sqrt(promised * (1 - promised) / len(alarms))
    assert np.mean(alarms) < promised + 4 * spread
    assert np.mean(alarms) > promised / 4, "a limit that nothing reaches promises nothing"


def test_the_limit_lies_above_the_deciding_score() -> None:
    scores = np.array([5.0, 1.0, 3.0, 2.0, 4.0])
    assert choose_limit(scores, 0.5) == (3.5, 0.5)
    beyond = choose_limit(scores, 0.01)
    assert 5.0 < beyond.score < 5.5
    assert beyond.false_alarms == pytest.approx(1 / 6)
    tied = choose_limit(np.array([1.0, 2.0, 2.0, 2.0]), 0.5)
    assert tied.score > 2.0


def test_without_clean_pictures_there_is_no_limit() -> None:
    with pytest.raises(ValueError, match="no clean picture"):
        choose_limit(np.array([]), 0.1)
