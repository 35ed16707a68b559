"""The two tests, recounted with scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact, hypergeom, ks_2samp

from steeldefect.watch.clusters import Clusters
from steeldefect.watch.distances import compare_distributions, compare_rates, odds_away
from steeldefect.watch.samples import Count, Sample, take_sample

LEVEL = 1e-4


def sample(values: list[float] | np.ndarray) -> Sample:
    return take_sample(np.asarray(values, np.float32), None)


@pytest.mark.parametrize("kind", ["continuous", "ties", "constant", "mostly zero"])
def test_the_distance_is_that_of_scipy(kind: str) -> None:
    rng = np.random.default_rng(3)
    for sizes in ((1, 1), (1, 30), (40, 25), (300, 1000)):
        first, second = (rng.normal(shift, 1, n) for shift, n in zip((0, 0.3), sizes, strict=True))
        if kind == "ties":
            first, second = np.round(first), np.round(second)
        elif kind == "constant":
            first, second = np.full(sizes[0], 0.1), np.full(sizes[1], 0.1)
        elif kind == "mostly zero":
            first, second = np.maximum(0, first - 1), np.maximum(0, second - 1)
        one, two = first.astype(np.float32), second.astype(np.float32)
        tested = compare_distributions(sample(first), sample(second), LEVEL, 0.0)
        assert tested.distance == pytest.approx(ks_2samp(one, two).statistic, abs=1e-12)
        assert tested.place is not None
        shares = (float((one > tested.place).mean()), float((two > tested.place).mean()))
        assert tested.above == pytest.approx(shares)
        assert abs(shares[0] - shares[1]) == pytest.approx(tested.distance)


@pytest.mark.parametrize("sizes", [(20, 20), (20, 90), (57, 400), (200, 200), (500, 130)])
def test_p_values_are_never_smaller_than_exact_ones(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    for shift in (0.0, 0.3, 0.6, 1.0, 1.5):
        one, two = rng.normal(0, 1, sizes[0]), rng.normal(shift, 1, sizes[1])
        exact = ks_2samp(one, two, method="exact").pvalue
        ours = compare_distributions(sample(one), sample(two), LEVEL, 0.0).p_value
        assert ours >= min(exact, 1) * (1 - 1e-9)
        if 1e-8 < exact < 1e-2:
            assert ours < 4 * exact  # and not much greater


def test_a_distance_alarms_exactly_where_its_p_value_is_at_most_the_level() -> None:
    night = sample(np.arange(100))
    quiet = loud = 0
    for shift in range(60):
        tested = compare_distributions(sample(np.arange(100) + shift), night, LEVEL, 0.0)
        assert tested.alarm == (tested.p_value <= LEVEL)
        quiet, loud = quiet + (not tested.alarm), loud + tested.alarm
    assert min(quiet, loud) > 10
    assert tested.threshold == pytest.approx(np.sqrt(np.log(2.17 / LEVEL) * 200 / 2 / 100**2))


def test_a_certain_but_small_change_raises_no_alarm() -> None:
    rng = np.random.default_rng(5)
    tested = compare_distributions(
        sample(rng.normal(0, 1, 100_000)), sample(rng.normal(0.1, 1, 100_000)), LEVEL, 0.1
    )
    assert (tested.p_value < 1e-20, tested.threshold, tested.alarm) == (True, 0.1, False)


def test_quantiles_change_the_distance_by_less_than_their_resolution() -> None:
    rng = np.random.default_rng(6)
    night = sample(rng.gamma(2, 1, 700))
    for values in (rng.gamma(2, 1.2, 30_000), np.round(rng.gamma(2, 1, 30_000), 1)):
        short = take_sample(values, None, limit=200)
        assert (len(short.values), short.n) == (200, 30_000)
        exact, near = (
            compare_distributions(one, night, LEVEL, 0.0) for one in (sample(values), short)
        )
        assert abs(exact.distance - near.distance) <= short.resolution < 0.003
        assert near.threshold == pytest.approx(exact.threshold + short.resolution)


def test_few_values_raise_no_alarm() -> None:
    for one, two in (([1.0], [2.0]), ([1.0] * 5, [2.0] * 5)):
        tested = compare_distributions(sample(one), sample(two), LEVEL, 0.1)
        assert (tested.distance, tested.threshold, tested.alarm) == (1.0, None, False)
    assert not compare_rates(Count(0, 1), Count(1, 1), LEVEL, 1.5).alarm
    assert compare_rates(Count(0, 1), Count(1, 1), LEVEL, 1.5).p_value == 1.0


COUNTS = [
    *((Count(0, 50), Count(9, 60)), (Count(30, 400), Count(60, 300)), (Count(5, 5), Count(1, 9))),
    *((Count(700, 1000), Count(80, 100)), (Count(1, 20_000), Count(9, 900))),
    *((Count(500, 2000), Count(0, 300)), (Count(99_000, 100_000), Count(990, 1000))),
    *((Count(3, 7), Count(3, 7)), (Count(0, 10), Count(0, 20)), (Count(2, 3), Count(1, 50))),
]


@pytest.mark.parametrize(("before", "now"), COUNTS)
def test_p_values_of_rates_are_those_of_fishers_test(before: Count, now: Count) -> None:
    tested = compare_rates(before, now, LEVEL, 1.0)
    table = [[now.count, now.n - now.count], [before.count, before.n - before.count]]
    tails = [fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
    assert tested.p_value == pytest.approx(min(1, 2 * min(tails)), rel=1e-6)
    assert tested.distance == pytest.approx(abs(now.count / now.n - before.count / before.n))


@pytest.mark.parametrize(("count", "size", "night"), [(3, 40, 25), (200, 4000, 500), (0, 90, 60)])
def test_the_threshold_of_a_rate_is_the_first_count_that_is_certain(
    count: int, size: int, night: int
) -> None:
    level = 1e-3
    certain = [
        more
        for more in range(night + 1)
        if more / night > count / size
        and 2 * hypergeom.sf(more - 1, size + night, count + more, night) <= level
    ]
    tested = compare_rates(Count(count, size), Count(certain[0], night), level, 1.0)
    assert tested.threshold == pytest.approx(certain[0] / night - count / size)
    assert tested.alarm
    below = compare_rates(Count(count, size), Count(certain[0] - 1, night), level, 1.0)
    assert not below.alarm


def test_the_ratio_of_odds_limits_what_is_of_interest() -> None:
    assert odds_away(0.5, 1.5) == pytest.approx(0.6)
    assert odds_away(0.01, 1.5) == pytest.approx(0.01492537)
    before = Count(250_000, 1_000_000)
    for count, alarm in ((30_000, False), (33_200, False), (33_500, True)):
        tested = compare_rates(before, Count(count, 100_000), LEVEL, 1.5)
        assert (tested.p_value < 1e-20, tested.alarm) == (True, alarm)
        assert tested.threshold == pytest.approx(1 / 3 - 0.25)


def test_the_same_holds_for_a_rate_that_falls() -> None:
    up = compare_rates(Count(100, 1000), Count(60, 300), LEVEL, 1.5)
    down = compare_rates(Count(900, 1000), Count(240, 300), LEVEL, 1.5)
    assert (up.p_value, up.threshold) == pytest.approx((down.p_value, down.threshold))


def test_coils_make_tests_less_certain() -> None:
    alike = Clusters(coils=20, size=50.0, correlation=0.1)
    before, now = (Count(one, 1000) for one in (100, 160))
    plain = compare_rates(before, now, LEVEL, 1.0)
    in_coils = compare_rates(Count(100, 1000, alike), Count(160, 1000, alike), LEVEL, 1.0)
    assert in_coils.design_effect == pytest.approx(1 + 49 * 0.1)
    assert plain.alarm
    assert not in_coils.alarm
    # as with a sample that is smaller by the design effect, and Student's t in the place of normal
    small = compare_rates(Count(17, 169), Count(27, 169), LEVEL, 1.0)
    assert in_coils.p_value >= small.p_value
