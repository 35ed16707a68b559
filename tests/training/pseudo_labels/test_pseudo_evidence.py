"""How sure an answer must be: chosen on answers whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta

from steeldefect.bundle.manifest import Manifest
from steeldefect.detection.detector import Detector
from steeldefect.pictures import run_lengths
from steeldefect.runtimes import DeviceChoice, Engine, Precision, Runtime, RuntimeChoice
from training.data.dataset import read_dataset
from training.pseudo_labels.candidates import Candidate, FoundMask, FoundRegion
from training.pseudo_labels.choose import Skip, doubt_about, label_of
from training.pseudo_labels.evidence import Answer, Limit, Limits, choose_limit, stated_limits
from training.pseudo_labels.measure import measure
from training.pseudo_labels.turns import Turns

ENGINE = Engine(RuntimeChoice.OPENVINO, DeviceChoice.CPU, Precision.F32, batch_size=4)


def answers(*runs: tuple[float, int, int]) -> list[Answer]:
    """Return answers: (probability, number of right ones, number of wrong ones) each."""
    return [
        Answer(probability, place < right)
        for probability, right, wrong in runs
        for place in range(right + wrong)
    ]


@pytest.mark.parametrize(
    ("given", "probability", "right", "count"),
    [
        (answers((0.9, 10, 0)), 0.9, 10, 10),
        (answers((0.9, 10, 0), (0.8, 9, 1)), 0.8, 19, 20),
        (answers((0.9, 10, 0), (0.8, 5, 5)), 0.9, 10, 10),
        (answers((0.9, 8, 2), (0.8, 30, 0)), 0.8, 38, 40),  # the surest need not be right
        (answers((0.9, 9, 1), (0.1, 0, 90)), 0.9, 9, 10),
    ],
)
def test_the_least_probability_at_which_enough_are_right(
    given: list[Answer], probability: float, right: int, count: int
) -> None:
    for order in (given, given[::-1]):
        limit = choose_limit(order, 0.9)
        assert limit is not None
        assert limit.probability == pytest.approx(probability)
        assert (limit.right, limit.count) == (right, count)
        assert limit.low == pytest.approx(beta.ppf(0.025, right, count - right + 1))


@pytest.mark.parametrize(
    "given",
    [
        [],
        answers((0.99, 9, 0)),  # one wrong answer would make 8 of 9: too few to say
        answers((0.99, 8, 2), (0.5, 1, 9)),
        answers((0.99, 9, 9)),  # of equal probabilities, all count
    ],
)
def test_too_few_or_too_wrong_answers_give_no_labels(given: list[Answer]) -> None:
    assert choose_limit(given, 0.9) is None


def test_a_lower_precision_needs_fewer_answers() -> None:
    given = answers((0.99, 2, 0), (0.7, 1, 0))
    assert choose_limit(given, 0.5) is not None
    assert choose_limit(given, 0.9) is None


def candidate(**changes: Any) -> Candidate:
    """Return a picture with two sure regions of class 1 and one of class 2."""
    made = Candidate(
        source="/archive",
        key="a.png",
        image_id="a.png",
        etag="e",
        run_id="run-1",
        coil=None,
        verdict="defect",
        gate_probability=0.9,
        novelty=None,
        rejected=0,
        audit_defects=None,
        masks={1: FoundMask("1 4 9 2", 0.9), 2: FoundMask("20 3", 0.8)},
        regions=(FoundRegion(1, 0.95), FoundRegion(1, 0.85), FoundRegion(2, 0.8)),
    )
    return replace(made, **changes)


NOTHING: dict[str, Any] = {"masks": {}, "regions": ()}
LIMITS = Limits({1: Limit(0.85), 2: Limit(0.7)}, Limit(0.99), Limit(0.8))


@pytest.mark.parametrize(
    ("changes", "limits", "expected"),
    [
        ({}, LIMITS, None),
        ({}, replace(LIMITS, regions={1: Limit(0.86), 2: Limit(0.7)}), Skip.DOUBTFUL_REGION),
        ({}, replace(LIMITS, regions={1: Limit(0.5)}), Skip.DOUBTFUL_REGION),
        ({"rejected": 1}, LIMITS, Skip.DOUBTFUL_REGION),
        ({"rejected": None}, LIMITS, Skip.DOUBTFUL_REGION),
        ({"regions": ()}, LIMITS, Skip.DOUBTFUL_REGION),  # tables without regions
        ({"masks": {7: FoundMask("1 4", 0.99)}}, LIMITS, Skip.UNKNOWN_CLASS),
        ({**NOTHING, "verdict": "gated", "gate_probability": 0.01}, LIMITS, None),
        ({**NOTHING, "verdict": "gated", "gate_probability": 0.02}, LIMITS, Skip.DOUBTFUL_CLEAN),
        (
            {**NOTHING, "verdict": "gated", "gate_probability": 0.01, "audit_defects": 1},
            LIMITS,
            Skip.DOUBTFUL_CLEAN,
        ),
        ({**NOTHING, "verdict": "clean"}, LIMITS, None),
        ({**NOTHING, "verdict": "clean", "rejected": 2}, LIMITS, Skip.DOUBTFUL_CLEAN),
        ({**NOTHING, "verdict": "clean", "novelty": 1.2}, LIMITS, Skip.DOUBTFUL_CLEAN),
        ({**NOTHING, "verdict": "clean"}, replace(LIMITS, quiet=None), Skip.DOUBTFUL_CLEAN),
    ],
)
def test_one_doubtful_finding_makes_a_picture_ambiguous(
    changes: dict[str, Any], limits: Limits, expected: Skip | None
) -> None:
    assert doubt_about(candidate(**changes), limits, {1, 2}, has_models=True) is expected


def test_without_models_a_segmented_clean_picture_is_left_out() -> None:
    clean = candidate(**NOTHING, verdict="clean")
    assert doubt_about(clean, LIMITS, {1, 2}, has_models=False) is Skip.NO_MODELS
    assert doubt_about(candidate(), LIMITS, {1, 2}, has_models=False) is None


def test_the_confidence_of_a_label_is_the_mean_over_its_masks() -> None:
    label = label_of(candidate())
    assert label.confidence == pytest.approx(0.85)
    assert label.masks[1].tolist() == [[1, 4], [9, 2]]
    clean = label_of(candidate(**NOTHING, verdict="gated", gate_probability=0.25))
    assert (clean.confidence, clean.masks) == (0.75, {})


def test_a_stated_limit_keeps_its_margin_to_the_threshold_of_the_gate() -> None:
    loose = stated_limits(0.5, [1], gate_threshold=0.25)
    assert loose.gated == Limit(1 - 0.125)
    strict = stated_limits(0.9, [1], gate_threshold=0.5)
    assert strict.gated == Limit(0.9)
    assert stated_limits(0.9, [1], gate_threshold=None).gated is None


def test_turns_go_to_the_kind_that_was_taken_least() -> None:
    common = [candidate(key=f"c{n}", masks={1: FoundMask("1 1", 1)}) for n in range(9)]
    rare = [candidate(key=f"r{n}") for n in range(2)]  # shows both classes: of the rarer kind
    clean = [candidate(key=f"n{n}", **NOTHING) for n in range(9)]
    turns = Turns([*clean, *common, *rare])
    taken = []
    for _ in range(9):
        found = turns.next()
        assert found is not None
        turns.take()
        taken.append(found.key)
    assert taken == ["c0", "r0", "n0", "c1", "r1", "n1", "c2", "n2", "c3"]
    assert len(turns) == 11


def test_a_clean_picture_has_no_turn_without_a_defective_one() -> None:
    turns = Turns([candidate(**NOTHING), candidate(**NOTHING)])
    assert turns.next() is None
    assert len(turns) == 2


class Bright(Runtime):
    """A segmenter that is sure of class 2 where a picture is much brighter than its mean."""

    engine = ENGINE

    def predict(self, batch: np.ndarray) -> np.ndarray:
        maps = np.full((*batch.shape[:3], 2), 0.1, np.float32)
        maps[..., 1] = np.where(batch[..., 0] > 2, 0.9, 0.1)
        return maps


def test_only_regions_that_lie_on_a_true_one_are_right(
    folder: Any, draft: Callable[..., Manifest]
) -> None:
    """Of three regions, one has its label, one has none, and one has a label that is too small."""
    whole, part = folder.square(2, 3), folder.square(2, 3, size=8)
    both = run_lengths.decode(whole, folder.shape) | run_lengths.decode(
        folder.square(18, 40), folder.shape
    )
    folder.picture("a.png", {2: run_lengths.encode(both)})
    folder.picture("b.png", {2: whole})
    folder.picture("c.png")
    folder.masks = [("a.png", 2, whole), ("b.png", 2, part)]  # 64 of 144 pixels: IoU 0.44
    folder.masks_table()
    folder.classes({1: "light", 2: "bright"})
    detector = Detector(draft(gate=False), None, Bright())
    found = measure(detector, read_dataset(folder.path).pictures)
    assert sorted(one.right for one in found.regions[2]) == [False, False, True]
    assert [one.probability for one in found.regions[2]] == pytest.approx([0.9] * 3)
    assert set(found.regions) == {2}
    assert found.gated == []
    assert found.quiet == [(pytest.approx(0.9), True)], "1 - the greatest probability of a pixel"
