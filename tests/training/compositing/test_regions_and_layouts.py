"""Regions of masks, layouts of pictures, and places of defects."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest

from steeldefect.pictures import run_lengths
from training.compositing.layouts import Deck, Layout
from training.compositing.placing import Free, find_place
from training.compositing.regions import Edge, find_regions, form_of

SHAPE = (64, 200)

Box = tuple[int, int, int, int]  # top, left, bottom, right


def mask_of(*boxes: Box) -> npt.NDArray[np.bool_]:
    mask = np.zeros(SHAPE, dtype=bool)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = True
    return mask


def runs_of(**boxes: list[Box]) -> dict[int, run_lengths.Runs]:
    return {int(name[1:]): run_lengths.from_mask(mask_of(*own)) for name, own in boxes.items()}


def test_defects_that_lie_close_together_are_one_region() -> None:
    runs = runs_of(c1=[(10, 20, 16, 26), (10, 28, 16, 34)], c3=[(17, 20, 22, 40)])
    regions = find_regions(runs | runs_of(c2=[(40, 120, 44, 150)]), SHAPE)
    assert [one.classes for one in regions] == [{1, 3}, {2}]
    assert [(one.top, one.left, one.size) for one in regions] == [
        (10, 20, (12, 20)),
        (40, 120, (4, 30)),
    ]
    assert [one.area for one in regions] == [36 * 2 + 100, 120]


def test_regions_hold_all_pixels_of_all_masks() -> None:
    rng = np.random.default_rng(8)
    runs = {number: run_lengths.from_mask(rng.random(SHAPE) > 0.995) for number in (1, 4)}
    regions = find_regions(runs, SHAPE)
    for number, own in runs.items():
        pixels = sum(int(one.masks[number].sum()) for one in regions if number in one.masks)
        assert pixels == run_lengths.area(own)


def test_a_picture_without_masks_has_no_region() -> None:
    assert find_regions({}, SHAPE) == []


@pytest.mark.parametrize(
    ("box", "edges"),
    [
        ((0, 50, 9, 60), {Edge.TOP}),
        ((60, 0, 64, 9), {Edge.BOTTOM, Edge.LEFT}),
        ((0, 190, 64, 200), {Edge.TOP, Edge.BOTTOM, Edge.RIGHT}),
        ((1, 1, 63, 199), set()),
    ],
)
def test_a_region_knows_the_sides_that_it_touches(box: Box, edges: set[Edge]) -> None:
    (region,) = find_regions(runs_of(c1=[box]), SHAPE)
    assert region.edges == edges


def test_forms_tell_area_proportion_and_thickness() -> None:
    area, proportion, thickness = np.exp(form_of(mask_of((0, 0, 6, 60))))
    assert (round(area), round(proportion, 6), round(thickness)) == (360, 0.1, 3)


def layouts(count: int, defective: bool) -> list[Layout]:
    runs = runs_of(c1=[(5, 5, 9, 9)]) if defective else {}
    return [Layout(SHAPE, runs, f"{defective} {number}") for number in range(count)]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.45, 1.0])
def test_every_layout_is_dealt_equally_often_and_clean_ones_by_their_share(share: float) -> None:
    deck = Deck(layouts(7, True), layouts(3, False), share, seed=2)
    dealt = [deck.deal(number) for number in range(420)]
    clean = sum(not one.runs for one in dealt)
    assert abs(clean - 420 * share) <= 1
    for defective, total in ((True, 420 - clean), (False, clean)):
        counts = Counter(one.name for one in dealt if bool(one.runs) is defective)
        if total:
            assert max(counts.values()) - min(counts.values()) <= 1


def test_a_layout_depends_on_seed_and_number_alone() -> None:
    def names(seed: int, numbers: range) -> list[str]:
        deck = Deck(layouts(30, True), layouts(30, False), 0.5, seed)
        return [deck.deal(number).name for number in numbers]

    assert names(1, range(10, 20)) == names(1, range(40))[10:20]
    assert names(1, range(40)) != names(2, range(40))


def place(
    size: tuple[int, int], edges: frozenset[Edge], free: Free, seed: int
) -> tuple[int, int] | None:
    rng = np.random.default_rng(seed)
    return find_place(rng, np.ones(size, dtype=bool), free, (0.5, 0.5), edges)


NOTHING = np.zeros(SHAPE, dtype=bool)
EVERYWHERE = np.ones(SHAPE, dtype=bool)


def test_places_are_close_to_the_layouts_and_touch_no_side() -> None:
    found = [place((10, 20), frozenset(), Free(EVERYWHERE, NOTHING), seed) for seed in range(200)]
    rows, columns = np.array([one for one in found if one is not None]).T
    assert len(rows) == 200
    assert rows.min() > 0
    assert (rows + 10).max() < 64
    assert abs(rows.mean() + 5 - 32) < 1
    assert abs(columns.mean() + 10 - 100) < 2
    assert len(set(columns.tolist())) > 10


def test_a_defect_at_a_side_stays_there() -> None:
    edges = frozenset({Edge.BOTTOM})
    found = {place((10, 20), edges, Free(EVERYWHERE, NOTHING), seed) for seed in range(30)}
    assert {one[0] for one in found if one is not None} == {54}
    assert len(found) > 5


def test_defects_avoid_each_other_and_what_is_not_steel() -> None:
    steel, taken = mask_of((0, 60, 64, 200)), mask_of((0, 60, 64, 104))
    for seed in range(30):
        found = place((10, 20), frozenset(), Free(steel, taken), seed)
        assert found is None or found[1] >= 104
    assert place((10, 20), frozenset(), Free(NOTHING, NOTHING), 0) is None
