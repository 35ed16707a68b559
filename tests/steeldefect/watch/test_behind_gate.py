"""What the gate hides, estimated from an audited sample, against exhaustive counts."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeldefect.watch.behind_gate import Reviewed, estimate_hidden, estimate_true_hidden


def chance(stopped: int, seen: int, defective: int, found: int) -> float:
    """The probability of `found` defective pictures in a sample: counted, not from scipy."""
    return comb(defective, found) * comb(stopped - defective, seen - found) / comb(stopped, seen)


@given(st.data())
def test_the_interval_holds_every_number_that_the_sample_does_not_refute(
    data: st.DataObject,
) -> None:
    stopped = data.draw(st.integers(1, 60))
    seen = data.draw(st.integers(1, stopped))
    found = data.draw(st.integers(0, seen))
    estimate = estimate_hidden(stopped, seen, found)
    fitting = []
    for hidden in range(found, stopped - (seen - found) + 1):
        chances = [chance(stopped, seen, hidden, k) for k in range(seen + 1)]
        if min(sum(chances[found:]), sum(chances[: found + 1])) > 0.025 + 1e-12:
            fitting.append(hidden)
    assert estimate.rate == found / seen
    assert estimate.low is not None
    assert estimate.high is not None
    assert round(estimate.low * stopped) == fitting[0]
    assert round(estimate.high * stopped) == fitting[-1]


def test_the_interval_holds_the_truth_in_95_of_100_samples() -> None:
    rng = np.random.default_rng(5)
    stopped, hidden, seen = 4_000, 60, 200
    inside = 0
    for found in rng.hypergeometric(hidden, stopped - hidden, seen, 400):
        estimate = estimate_hidden(stopped, seen, int(found))
        assert estimate.low is not None
        assert estimate.high is not None
        inside += estimate.low <= hidden / stopped <= estimate.high
    assert inside / 400 >= 0.94


def test_a_whole_sample_leaves_no_doubt_and_an_empty_one_says_nothing() -> None:
    whole = estimate_hidden(50, 50, 7)
    assert (whole.rate, whole.low, whole.high) == (0.14, 0.14, 0.14)
    assert whole.pictures(whole.rate) == pytest.approx(7)
    nothing = estimate_hidden(50, 0, 0)
    assert (nothing.rate, nothing.low, nothing.high) == (None, None, None)
    assert nothing.pictures(nothing.rate) is None
    assert estimate_hidden(0, 0, 0).rate is None


def test_nothing_found_still_bounds_what_is_hidden() -> None:
    estimate = estimate_hidden(10_000, 100, 0)
    assert (estimate.rate, estimate.low) == (0, 0)
    assert estimate.high == pytest.approx(0.036, abs=0.001)  # about 3.69 / 100, less for 1%


def test_counts_that_contradict_each_other_are_refused() -> None:
    for counts in ((5, 6, 0), (5, 3, 4), (5, 3, -1)):
        with pytest.raises(ValueError, match="must ascend"):
            estimate_hidden(*counts)


def test_verdicts_on_all_audited_pictures_count_as_the_truth() -> None:
    reviewed = Reviewed(1_000, 100, 10, 10, 6, 90, 3)
    assert estimate_true_hidden(reviewed) == estimate_hidden(1_000, 100, 9)


def test_verdicts_on_some_are_weighted_by_what_the_audit_found() -> None:
    reviewed = Reviewed(1_000, 100, 10, 10, 6, 30, 1)
    estimate = estimate_true_hidden(reviewed)
    assert estimate.rate == pytest.approx(0.1 * 0.6 + 0.9 / 30)
    assert estimate.low is not None
    assert estimate.high is not None
    assert 0 < estimate.low < estimate.rate < estimate.high < 1
    whole = estimate_hidden(1_000, 100, 9)
    assert whole.low is not None
    assert whole.high is not None
    assert estimate.low < whole.low < whole.high < estimate.high


def test_without_verdicts_on_one_kind_there_is_no_estimate() -> None:
    assert estimate_true_hidden(Reviewed(1_000, 100, 10, 10, 6, 0, 0)).rate is None
    assert estimate_true_hidden(Reviewed(1_000, 100, 10, 0, 0, 90, 2)).rate is None
    all_flagged = Reviewed(1_000, 10, 10, 5, 3, 0, 0)
    assert estimate_true_hidden(all_flagged).rate == 0.6


def test_the_combined_interval_holds_the_truth() -> None:
    rng = np.random.default_rng(11)
    stopped, inside = 5_000, 0
    flagged = rng.random(stopped) < 0.04
    true = np.where(flagged, rng.random(stopped) < 0.7, rng.random(stopped) < 0.01)
    for _ in range(200):
        sample = rng.choice(stopped, 300, replace=False)
        of_flagged, of_clear = sample[flagged[sample]], sample[~flagged[sample]]
        looked = of_flagged[: len(of_flagged) // 2 + 1], of_clear[:100]
        counts = [number for one in looked for number in (len(one), int(true[one].sum()))]
        estimate = estimate_true_hidden(Reviewed(stopped, 300, len(of_flagged), *counts))
        if estimate.rate is None:
            continue
        assert estimate.low is not None
        assert estimate.high is not None
        inside += estimate.low <= true.mean() <= estimate.high
    assert inside / 200 >= 0.95
