"""The detector: thresholds, minimum areas and sizes, from arrays to findings."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from samples import (
    HEIGHT,
    WIDTH,
    both_picture,
    bright_picture,
    plain_picture,
)

from steeldefect import rle
from steeldefect.bundle import Bundle
from steeldefect.detector import Detector, Finding, find_defect
from steeldefect.errors import InferenceError, PictureSizeError
from steeldefect.manifest import DefectClass, PictureSizes
from steeldefect.preprocessing import Float32
from steeldefect.runtimes import DeviceChoice, RuntimeChoice, RuntimeOptions
from steeldefect.task import open_detector

OPTIONS = RuntimeOptions(RuntimeChoice.OPENVINO, DeviceChoice.CPU, batch_size=2)


class Answering:
    """A runtime whose model has gone wrong: it answers with the same numbers for every picture."""

    name = RuntimeChoice.OPENVINO
    device = DeviceChoice.CPU

    def __init__(self, answer: Any) -> None:
        self._answer = np.asarray(answer, dtype=np.float32)

    def predict(self, batch: Float32) -> Float32:
        return np.stack([self._answer] * len(batch))


@pytest.fixture(scope="module")
def detector(rule_bundle: Bundle) -> Detector:
    return open_detector(rule_bundle, OPTIONS)


def found(detector: Detector, picture: np.ndarray[Any, Any]) -> list[Finding]:
    (answer,) = detector.segment([detector.prepare(picture)])
    assert isinstance(answer, list)
    return answer


def test_findings_are_what_was_drawn(detector: Detector) -> None:
    bright, dark = found(detector, both_picture())
    assert (bright.defect_class.name, dark.defect_class.name) == ("bright", "dark")
    assert (bright.area, dark.area) == (256, 256)
    assert bright.box == (10, 20, 26, 36)
    assert dark.box == (30, 80, 46, 96)
    assert (bright.regions, dark.regions) == (1, 1)
    assert bright.share == 256 / (HEIGHT * WIDTH)
    assert np.array_equal(rle.to_mask(bright.runs, (HEIGHT, WIDTH)), both_picture() == 250)
    assert np.array_equal(rle.to_mask(dark.runs, (HEIGHT, WIDTH)), both_picture() == 2)
    assert 0.99 < bright.mean_probability <= bright.max_probability <= 1


def test_the_gate_tells_defects_from_none(detector: Detector) -> None:
    prepared = [
        detector.prepare(one) for one in (plain_picture(), bright_picture(), both_picture())
    ]
    probabilities = detector.gate(prepared)
    assert probabilities.dtype == np.float32
    assert detector.passes(probabilities).tolist() == [False, True, True]
    assert detector.has_gate


def test_separate_regions_are_counted_and_diagonal_neighbours_are_one(detector: Detector) -> None:
    picture = plain_picture()
    picture[5:10, 5:10] = picture[10:15, 10:15] = picture[40:45, 100:105] = 250
    (finding,) = found(detector, picture)
    assert finding.regions == 2
    assert finding.area == 75
    assert finding.box == (5, 5, 45, 105)


def test_nothing_is_found_where_nothing_is(detector: Detector) -> None:
    assert found(detector, plain_picture()) == []
    assert detector.segment([]) == []
    assert detector.gate([]).shape == (0,)


def test_many_pictures_keep_their_order(detector: Detector) -> None:
    kinds = [plain_picture, both_picture, bright_picture, plain_picture, both_picture]
    answers = detector.segment([detector.prepare(kind()) for kind in kinds])
    assert [len(answer) for answer in answers if isinstance(answer, list)] == [0, 2, 1, 0, 2]


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH + 1), (HEIGHT // 2, WIDTH // 2), (WIDTH, HEIGHT)])
def test_a_size_that_was_not_trained_on_is_refused(
    detector: Detector, shape: tuple[int, int]
) -> None:
    with pytest.raises(PictureSizeError) as caught:
        detector.prepare(np.zeros(shape, np.uint8))
    assert str(caught.value) == (
        f"{shape[1]}x{shape[0]} pixels; this bundle scores 128x64 (width x height)"
    )


def test_any_size_is_scored_at_its_own_size_where_that_is_asked_for(rule_bundle: Bundle) -> None:
    detector = open_detector(rule_bundle, OPTIONS, any_size=True)
    picture = cv2.resize(bright_picture(), (2 * WIDTH, 3 * HEIGHT), interpolation=cv2.INTER_NEAREST)
    prepared = detector.prepare(picture)
    assert prepared.shape == (3 * HEIGHT, 2 * WIDTH)
    assert prepared.resized.shape == (HEIGHT, WIDTH)
    (finding,) = found(detector, picture)
    assert abs(finding.area - 6 * 256) < 0.15 * 6 * 256
    assert all(abs(a - b) <= 3 for a, b in zip(finding.box, (30, 40, 78, 72), strict=True))


def test_a_range_of_sizes_is_admitted_by_the_bundle(rule_bundle: Bundle) -> None:
    sizes = PictureSizes(height=(HEIGHT, HEIGHT), width=(WIDTH, 2 * WIDTH))
    manifest = rule_bundle.manifest.model_copy(update={"picture_sizes": sizes})
    detector = Detector(manifest, None, Answering(np.zeros((HEIGHT, WIDTH, 2))))
    assert detector.prepare(np.zeros((HEIGHT, 4 * WIDTH), np.uint8)).shape == (HEIGHT, 4 * WIDTH)
    with pytest.raises(PictureSizeError, match="this bundle scores 64-512x32-128"):
        detector.prepare(np.zeros((HEIGHT, 4 * WIDTH + 1), np.uint8))


def test_without_a_gate_every_picture_passes(gateless_bundle: Bundle) -> None:
    detector = open_detector(gateless_bundle, OPTIONS)
    prepared = [detector.prepare(plain_picture()), detector.prepare(bright_picture())]
    assert prepared[0].gate_input is None
    probabilities = detector.gate(prepared)
    assert np.isnan(probabilities).all()
    assert detector.passes(probabilities).all()
    assert not detector.has_gate


@pytest.mark.parametrize(
    ("probability", "passes"), [(0.5, True), (0.49999, False), (1, True), (0, False)]
)
def test_a_probability_at_the_threshold_passes(
    detector: Detector, probability: float, passes: bool
) -> None:
    assert detector.passes(np.array([probability], np.float32)).tolist() == [passes]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_gate_whose_answer_is_not_finite_lets_nothing_pass(
    rule_bundle: Bundle, wrong: float
) -> None:
    maps = Answering(np.zeros((HEIGHT, WIDTH, 2)))
    detector = Detector(rule_bundle.manifest, Answering([wrong]), maps)
    probabilities = detector.gate([detector.prepare(plain_picture())])
    assert np.isnan(probabilities).all()
    assert not detector.passes(probabilities).any()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_segmenter_whose_answer_is_not_finite_is_an_error_of_that_picture(
    rule_bundle: Bundle, wrong: float
) -> None:
    maps = np.zeros((HEIGHT, WIDTH, 2))
    maps[3, 4, 1] = wrong
    detector = Detector(rule_bundle.manifest, None, Answering(maps))
    (answer,) = detector.segment([detector.prepare(plain_picture())])
    assert isinstance(answer, InferenceError)
    assert str(answer) == "the segmenter's answer is not finite"


CLASS = DefectClass(id=3, name="scratch", pixel_threshold=0.5, min_area=0)


@pytest.mark.parametrize(
    ("probability", "threshold", "min_area", "area"),
    [
        ([[0.4, 0.6], [0.6, 0.4]], 0.5, 0, 2),
        ([[0.5, 0.5], [0.5, 0.5]], 0.5, 0, None),  # a pixel must be above
        ([[0.5001, 0], [0, 0]], 0.5, 0, 1),
        ([[0.5, 0.6], [0.5, 0]], 0.5, 0, 1),
        ([[0.6, 0.6], [0, 0]], 0.5, 2, 2),  # the least area itself is enough
        ([[0.6, 0.6], [0, 0]], 0.5, 3, None),
        ([[0.2, 0.1], [0, 0]], 0.15, 0, 1),
        ([[0.98, 0.99], [1, 1]], 0.985, 1, 3),
        ([[0, 0], [0, 0]], 0.5, 0, None),
        ([[1, 1], [1, 1]], 0.5, 4, 4),
    ],
)
def test_thresholds_and_minimum_areas(
    probability: list[list[float]], threshold: float, min_area: int, area: int | None
) -> None:
    wanted = CLASS.model_copy(update={"pixel_threshold": threshold, "min_area": min_area})
    finding = find_defect(np.array(probability, np.float32), (2, 2), wanted)
    assert (finding.area if finding else None) == area


@settings(deadline=None, max_examples=150)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.floats(0, 1, width=32),
    ),
    st.sampled_from([0.1, 0.5, 0.9]),
)
def test_a_finding_measures_its_own_mask(probability: Float32, threshold: float) -> None:
    wanted = CLASS.model_copy(update={"pixel_threshold": threshold})
    finding = find_defect(probability, probability.shape, wanted)
    expected = probability > threshold
    if not expected.any():
        assert finding is None
        return
    assert finding is not None
    mask = rle.to_mask(finding.runs, probability.shape)
    assert np.array_equal(mask, expected)
    assert finding.area == mask.sum()
    assert finding.share == pytest.approx(mask.mean())
    assert finding.box == rle.bounding_box(finding.runs, probability.shape[0])
    assert finding.mean_probability == pytest.approx(probability[mask].mean(), rel=1e-5)
    assert finding.max_probability == probability.max()
    assert 1 <= finding.regions <= finding.area


def test_maps_are_resized_before_they_are_cut() -> None:
    probability = np.array([[0, 0], [0, 1]], np.float32)
    finding = find_defect(probability, (40, 40), CLASS)
    assert finding is not None
    expected = cv2.resize(probability, (40, 40), interpolation=cv2.INTER_LINEAR) > 0.5
    assert np.array_equal(rle.to_mask(finding.runs, (40, 40)), expected)
    assert 1 < finding.area / 20**2 * 4 < 4
    corner = rle.to_mask(finding.runs, (40, 40))[20:, 20:]
    assert not corner.all(), "the outline is not made of the model's larger pixels"


def test_a_channel_of_a_larger_answer_may_be_any_view() -> None:
    maps = np.random.default_rng(0).random((1, 16, 32, 4), dtype=np.float32)
    for channel in range(4):
        view = maps[0, :, :, channel]
        one = find_defect(view, (64, 128), CLASS)
        other = find_defect(np.ascontiguousarray(view), (64, 128), CLASS)
        assert one is not None
        assert other is not None
        assert np.array_equal(one.runs, other.runs)
