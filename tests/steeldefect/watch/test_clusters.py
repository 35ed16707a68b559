"""Coils: their correlation, the design effect, and the degrees of freedom."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from steeldefect.watch.clusters import (
    Clusters,
    corrected_p,
    effective_sizes,
    measure_clusters,
    nominal_level,
)


def drawn(
    correlation: float, coils: int, size: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    coil = np.repeat(np.arange(coils), size)
    between = np.sqrt(correlation) * rng.normal(0, 1, coils)[coil]
    return between + np.sqrt(1 - correlation) * rng.normal(0, 1, coils * size), coil


@pytest.mark.parametrize("correlation", [0.0, 0.05, 0.3, 1.0])
def test_the_correlation_is_found(correlation: float) -> None:
    found = measure_clusters(*drawn(correlation, 600, 20))
    assert found is not None
    assert (found.coils, found.size) == (600, 20)
    assert found.correlation == pytest.approx(correlation, abs=0.04)


def test_the_design_effect_is_the_variance_of_coil_sums() -> None:
    """Recounted in pandas, with coils of unequal size."""
    values, _ = drawn(0.2, 30, 10)
    coils = np.random.default_rng(1).integers(0, 12, len(values))
    found = measure_clusters(values, coils)
    rows = pd.DataFrame({"coil": coils, "rest": values - values.mean()})
    sums = rows.groupby("coil")["rest"].sum()
    effect = (sums**2).sum() * 12 / 11 / (rows["rest"] ** 2).sum()
    size = (rows.groupby("coil").size() ** 2).sum() / len(rows)
    assert found is not None
    assert found.size == pytest.approx(size)
    assert found.correlation == pytest.approx(max(0, (effect - 1) / (size - 1)))


def test_what_coils_cannot_tell_is_null() -> None:
    assert measure_clusters(np.array([]), np.array([], int)) is None
    assert measure_clusters(np.arange(5.0), np.zeros(5, int)) == Clusters(1, 5.0, None)
    assert measure_clusters(np.ones(6), np.arange(6) // 2) == Clusters(3, 2.0, None)
    assert measure_clusters(np.arange(4.0), np.arange(4)) == Clusters(4, 1.0, 0.0)


def test_both_samples_share_one_correlation() -> None:
    few, many = Clusters(11, 11.0, 0.0), Clusters(41, 21.0, 0.2)
    sizes = effective_sizes(840, 110, many, few)
    correlation = (10 * 0.0 + 40 * 0.2) / 50
    effects = 1 + 20 * correlation, 1 + 10 * correlation
    assert (sizes.reference, sizes.night) == pytest.approx((840 / effects[0], 110 / effects[1]))
    assert (sizes.freedom, sizes.design_effect) == (50, pytest.approx(effects[1]))
    silent = Clusters(11, 11.0, None)  # it has none of its own, and takes the other's
    sizes = effective_sizes(840, 110, many, silent)
    assert (sizes.night, sizes.freedom) == (pytest.approx(110 / 3), 40)
    assert effective_sizes(840, 110, None, few).reference == 840
    assert effective_sizes(840, 110, None, None).freedom is None


def test_without_a_known_correlation_each_coil_counts_once() -> None:
    silent = Clusters(10, 20.0, None)
    sizes = effective_sizes(200, 200, silent, silent)
    assert (sizes.reference, sizes.night, sizes.freedom) == (10, 10, 18)
    alone = Clusters(1, 20.0, None)
    assert effective_sizes(20, 20, alone, alone).freedom == 0


def test_the_level_follows_students_t() -> None:
    assert nominal_level(0.01, None) == 0.01
    z = t.isf(0.005, 19)
    assert nominal_level(0.01, 19) == pytest.approx(2 * norm.sf(z))
    assert corrected_p(nominal_level(1e-4, 30), 30) == pytest.approx(1e-4)
    assert nominal_level(0.01, 0) == 0.0
    assert (corrected_p(1e-9, 0), corrected_p(1.0, 5), corrected_p(0.0, 5)) == (1.0, 1.0, 0.0)
