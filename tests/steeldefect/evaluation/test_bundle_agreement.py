"""Figures of how far two bundles agree, against counts by hand and known coverage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from steeldefect.evaluation import bundle_agreement
from steeldefect.evaluation.bundle_agreement import AgreementFigure

Picture = tuple[int | None, int | None, int | None]
"""Area, area by the shadow, and intersection, of one class on one picture."""


def rows(
    pictures: Sequence[Sequence[Picture]], coils: Sequence[int | None] | None = None
) -> pd.DataFrame:
    """Return rows of `agreement`: for each picture, one of each class."""
    made: list[dict[str, Any]] = []
    for number, classes in enumerate(pictures):
        for class_id, (area, shadow_area, both) in enumerate(classes, start=1):
            made.append(
                {
                    "picture": 7 * number,
                    "coil": None if coils is None else coils[number],
                    "number": class_id - 1,
                    "area": area,
                    "shadow_area": shadow_area,
                    "intersection": both,
                }
            )
    return pd.DataFrame(made)


CLASSES = [(1, "class 1"), (2, "class 2")]


def agreement_figures(found: pd.DataFrame, draws: int = 1000) -> list[AgreementFigure]:
    return bundle_agreement.agreement_figures(found, CLASSES, draws)


def by_name(found: list[AgreementFigure]) -> dict[tuple[str, int | None], AgreementFigure]:
    return {(one.name, one.class_id): one for one in found}


NOTHING: Picture = (0, 0, 0)


def test_the_figures_are_those_counted_by_hand() -> None:
    found = by_name(
        agreement_figures(
            rows(
                [
                    [(10, 8, 6), NOTHING],  # both find class 1
                    [
                        (10, 0, 0),
                        (0, 5, 0),
                    ],  # they differ in both classes, and both call it defective
                    [NOTHING, (0, 7, 0)],  # only the shadow calls it defective
                    [NOTHING, NOTHING],
                ]
            )
        )
    )
    assert found["verdict_agreement", None].value == 2 / 4
    assert found["defective_difference", None].value == (3 - 2) / 4
    assert found["class_difference", 1].value == (1 - 2) / 4
    assert found["class_difference", 2].value == (2 - 0) / 4
    assert found["area_difference", 1].value == (8 - 20) / 4
    assert found["agreement_dice", 1].value == pytest.approx(2 * 6 / (20 + 8))
    assert found["agreement_dice", 2].value == 0
    assert (found["agreement_dice", 1].support, found["agreement_dice", 2].support) == (2, 2)
    assert {one.support for name, one in found.items() if name[0] != "agreement_dice"} == {4}
    for one in found.values():
        assert one.low is not None
        assert one.high is not None
        assert one.value is not None
        assert one.low <= one.value <= one.high


def test_a_few_pictures_without_a_difference_prove_little() -> None:
    found = by_name(agreement_figures(rows([[NOTHING]] * 20)))
    same, differs = found["verdict_agreement", None], found["defective_difference", None]
    assert (same.value, same.high) == (1, 1)
    assert same.low == pytest.approx(0.025 ** (1 / 20))  # Clopper and Pearson, all of 20
    assert differs.value == 0
    assert differs.low == pytest.approx(-(1 - 0.0125 ** (1 / 20)))
    assert differs.high == pytest.approx(1 - 0.0125 ** (1 / 20))
    dice = found["agreement_dice", 1]
    assert (dice.value, dice.low, dice.high, dice.support) == (None, None, None, 0)


def test_a_class_that_one_bundle_lacks_is_no_disagreement() -> None:
    found = by_name(
        agreement_figures(rows([[(5, 5, 5), (None, 9, None)], [NOTHING, (None, 0, None)]]))
    )
    assert found["verdict_agreement", None].value == 1
    assert {class_id for _, class_id in found} == {None, 1}
    # but a picture is defective for the bundle that finds it
    found = by_name(
        agreement_figures(rows([[NOTHING, (None, 9, None)], [NOTHING, (None, 0, None)]]))
    )
    assert found["defective_difference", None].value == 1 / 2


def test_pictures_of_a_coil_count_together() -> None:
    pictures = [[(9, 0, 0)]] * 40 + [[NOTHING]] * 360
    alone = by_name(agreement_figures(rows(pictures)))["verdict_agreement", None]
    coils = by_name(agreement_figures(rows(pictures, [number // 40 for number in range(400)])))[
        "verdict_agreement", None
    ]
    assert alone.value == coils.value == 0.9
    assert alone.low == pytest.approx(0.866, abs=0.005)
    assert coils.low is not None
    assert coils.low <= 0.75  # one coil of ten differs wholly


def test_no_rows_no_figures() -> None:
    assert agreement_figures(rows([])) == []


def test_the_interval_of_a_difference_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(100):
        led, shadow = rng.random(300) < 0.05, rng.random(300) < 0.09
        pictures = [[(int(a), int(b), int(a & b))] for a, b in zip(led, shadow, strict=True)]
        one = by_name(agreement_figures(rows(pictures), draws=100))["defective_difference", None]
        assert one.low is not None
        assert one.high is not None
        inside += one.low <= 0.04 <= one.high
    assert inside >= 95


def test_without_a_common_class_nothing_agrees() -> None:
    found = by_name(agreement_figures(rows([[(5, None, None), (None, 5, None)]])))
    assert set(found) == {("defective_difference", None)}
