"""How much a picture as a whole counts beside its oddest place."""

from __future__ import annotations

import numpy as np
import pytest

from training.novelty.fit_novelty import Distances, weight_of_the_whole


def spread(count: int, by: float) -> np.ndarray:
    return np.exp(by * np.linspace(0, 1, count))


def test_what_varies_more_among_clean_pictures_counts_less() -> None:
    weights = [
        weight_of_the_whole(Distances(spread(50, 1), spread(50, by))) for by in (0.5, 1, 2, 100)
    ]
    assert weights == sorted(weights, reverse=True)
    assert 0.5 >= weights[0] > weights[-1] > 0


def test_a_unit_of_either_distance_does_not_matter() -> None:
    places, whole = spread(50, 1), spread(50, 2)
    weight = weight_of_the_whole(Distances(places, whole))
    assert weight_of_the_whole(Distances(10 * places, whole / 7)) == pytest.approx(weight)


def test_few_pictures_that_happen_to_be_alike_do_not_make_the_whole_decide() -> None:
    assert weight_of_the_whole(Distances(spread(3, 1), spread(3, 1e-9))) == 0.5
    assert weight_of_the_whole(Distances(spread(3, 1), np.ones(3))) == 0
    assert weight_of_the_whole(Distances(np.ones(3), spread(3, 1))) == 0
    assert weight_of_the_whole(Distances(np.ones(1), np.ones(1))) == 0
