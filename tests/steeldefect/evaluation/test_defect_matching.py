"""Matching true and found defects, against a recount with scipy's own labels and assignment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from steeldefect.evaluation.defect_matching import Matches, match_defects
from steeldefect.pictures import run_lengths

Mask = npt.NDArray[np.bool_]
EIGHT = np.ones((3, 3))


def matched(truth: Mask, found: Mask, threshold: float = 0.5) -> Matches:
    runs = [run_lengths.from_mask(mask) for mask in (truth, found)]
    return match_defects(runs[0], runs[1], truth.shape, threshold)


def drawn(*rows: str) -> tuple[Mask, Mask]:
    """Return two masks: `t` true, `f` found, `b` both."""
    letters = np.array([list(row) for row in rows])
    return np.isin(letters, ["t", "b"]), np.isin(letters, ["f", "b"])


def recount(truth: Mask, found: Mask, threshold: float) -> tuple[list[int], list[int], int, float]:
    """Return areas of true and found regions, and number and sum of IoU of the matches."""
    (true, rows), (other, columns) = (ndimage.label(mask, EIGHT) for mask in (truth, found))
    iou = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            one, two = true == row + 1, other == column + 1
            iou[row, column] = (one & two).sum() / (one | two).sum()
    iou[iou < threshold] = 0
    chosen = iou[linear_sum_assignment(iou, maximize=True)]
    areas = [sorted(np.bincount(labels.ravel())[1:].tolist()) for labels in (true, other)]
    return areas[0], areas[1], int((chosen > 0).sum()), float(chosen.sum())


pairs = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: st.tuples(arrays.arrays(np.bool_, shape), arrays.arrays(np.bool_, shape))
)


@settings(deadline=None, max_examples=300)
@given(pair=pairs, threshold=st.sampled_from([0.05, 0.2, 1 / 3, 0.5, 0.75, 1.0]))
def test_matches_are_those_of_a_recount(pair: tuple[Mask, Mask], threshold: float) -> None:
    found = matched(*pair, threshold)
    true_areas, found_areas, count, total = recount(*pair, threshold)
    assert sorted(found.true_areas.tolist()) == true_areas
    assert sorted(found.found_areas.tolist()) == found_areas
    assert found.iou.sum() == pytest.approx(total)
    assert len(set(found.true.tolist())) == len(found.true) == len(found.iou)
    assert len(set(found.found.tolist())) == len(found.found)
    assert (found.iou >= threshold).all()
    if threshold > 0.5:  # below, equal sums may have other numbers of matches
        assert len(found.iou) == count


@pytest.mark.parametrize(
    ("rows", "threshold", "iou"),
    [
        (["bbb", "...", "ttt"], 0.5, [1.0]),  # one found, one missed
        (["bbt", "...", "..f"], 0.5, [2 / 3]),  # a false alarm that touches nothing
        (["bbtt"], 0.5, [0.5]),  # exactly the threshold
        (["bttt"], 0.5, []),
        (["b.b"], 0.5, [1.0, 1.0]),
        (["tbtbt"], 0.2, [0.2]),  # one true region, two found: only one of them is matched
        (["b..", ".b.", "..b"], 0.5, [1.0]),  # corners touch: one region
        (["...", "..."], 0.5, []),
    ],
)
def test_matches_by_example(rows: list[str], threshold: float, iou: list[float]) -> None:
    assert sorted(matched(*drawn(*rows), threshold).iou.tolist()) == pytest.approx(iou)


def test_the_sum_of_iou_decides_not_the_order() -> None:
    # the first true region overlaps both found ones; the second overlaps only the larger of them
    truth, found = drawn("bbtbbbt..", ".........", "......bbb")
    found[0, 6] = True
    best = recount(truth, found, 0.1)
    assert matched(truth, found, 0.1).iou.sum() == pytest.approx(best[3])


def test_thousands_of_regions_are_matched_in_bounded_memory() -> None:
    """A matrix of all regions with all others would have 10^9 cells."""
    mask = np.zeros((256, 1600), bool)
    mask[::3, ::4] = True
    found = matched(mask, mask)
    assert len(found.true_areas) == len(found.iou) == 86 * 400
    assert set(found.iou.tolist()) == {1.0}
