"""The detector: thresholds, minimum areas and sizes, from arrays to findings."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support.samples import (
    HEIGHT,
    WIDTH,
    both_picture,
    bright_picture,
    plain_picture,
)

from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import (
    DefectClass,
    GateMode,
    Manifest,
    Mirror,
    PictureSizes,
    Segmenter,
)
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector
from steeldefect.detection.outline import Finding, Outline, find_defect
from steeldefect.errors import InferenceError, PictureSizeError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes import (
    DeviceChoice,
    Engine,
    Precision,
    Runtime,
    RuntimeChoice,
    RuntimeOptions,
)

OPTIONS = RuntimeOptions(RuntimeChoice.OPENVINO, DeviceChoice.CPU, batch_size=2)


class Answering(Runtime):
    """A runtime whose model has gone wrong: it answers with the same numbers for every picture."""

    engine = Engine(RuntimeChoice.OPENVINO, DeviceChoice.CPU, Precision.F32, batch_size=4)

    def __init__(self, answer: Any) -> None:
        self._answer = np.asarray(answer, dtype=np.float32)

    def predict(self, batch: Float32) -> Float32:
        return np.stack([self._answer] * len(batch))


class Lopsided(Runtime):
    """A segmenter that is certain only in the upper left quarter of a picture.

    Its map of class 1 is 1 in bright pixels. The value is halved in the right half of the picture,
    and halved in the lower half. Class 2 is 0 everywhere. It records the sizes of its batches.
    """

    engine = Engine(RuntimeChoice.OPENVINO, DeviceChoice.CPU, Precision.F32, batch_size=4)

    def __init__(self) -> None:
        self.batches: list[int] = []

    def predict(self, batch: Float32) -> Float32:
        assert batch.flags.c_contiguous
        self.batches.append(len(batch))
        maps = np.zeros((*batch.shape[:3], 2), np.float32)
        maps[..., 0] = batch[..., 0] > 0.8
        maps[:, :, WIDTH // 2 :] *= 0.5
        maps[:, HEIGHT // 2 :] *= 0.5
        return maps


@pytest.fixture(scope="module")
def detector(rule_bundle: Bundle) -> Detector:
    return open_detector(rule_bundle, OPTIONS)


def outline(detector: Detector, *pictures: np.ndarray[Any, Any]) -> list[Outline | InferenceError]:
    prepared = [detector.prepare(picture) for picture in pictures]
    return detector.segment(prepared, detector.gate(prepared))


def found(detector: Detector, picture: np.ndarray[Any, Any]) -> tuple[Finding, ...]:
    (answer,) = outline(detector, picture)
    assert isinstance(answer, Outline)
    return answer.findings


def with_gate(bundle: Bundle, **values: Any) -> Manifest:
    """The bundle's manifest with other values of the gate."""
    gate = bundle.manifest.gate
    assert gate is not None
    return bundle.manifest.model_copy(update={"gate": gate.model_copy(update=values)})


def test_findings_are_what_was_drawn(detector: Detector) -> None:
    bright, dark = found(detector, both_picture())
    assert (bright.defect_class.name, dark.defect_class.name) == ("bright", "dark")
    assert (bright.area, dark.area) == (256, 256)
    assert bright.box == (10, 20, 26, 36)
    assert dark.box == (30, 80, 46, 96)
    assert (bright.region_count, dark.region_count) == (1, 1)
    assert bright.share == 256 / (HEIGHT * WIDTH)
    assert np.array_equal(run_lengths.to_mask(bright.runs, (HEIGHT, WIDTH)), both_picture() == 250)
    assert np.array_equal(run_lengths.to_mask(dark.runs, (HEIGHT, WIDTH)), both_picture() == 2)
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
    assert finding.region_count == 2
    assert finding.area == 75
    assert finding.box == (5, 5, 45, 105)


def test_nothing_is_found_where_nothing_is(detector: Detector) -> None:
    assert found(detector, plain_picture()) == ()
    assert outline(detector) == []
    assert detector.gate([]).shape == (0,)


def test_many_pictures_keep_their_order(detector: Detector) -> None:
    kinds = [plain_picture, both_picture, bright_picture, plain_picture, both_picture]
    answers = outline(detector, *(kind() for kind in kinds))
    assert [len(one.findings) for one in answers if isinstance(one, Outline)] == [0, 2, 1, 0, 2]


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
    assert prepared.for_segmenter.shape == (HEIGHT, WIDTH)
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
    assert prepared[0].for_gate is None
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
    (answer,) = outline(detector, plain_picture())
    assert isinstance(answer, InferenceError)
    assert str(answer) == "the segmenter's answer is not finite"


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_gate_answers_calibrated_probabilities(rule_bundle: Bundle, temperature: float) -> None:
    manifest = with_gate(rule_bundle, temperature=temperature)
    detector = Detector(manifest, Answering([0.2]), Answering(np.zeros((HEIGHT, WIDTH, 2))))
    (probability,) = detector.gate([detector.prepare(plain_picture())])
    assert probability.dtype == np.float32
    assert probability == pytest.approx(1 / (1 + 4 ** (1 / temperature)), rel=1e-5)
    if temperature == 1:
        assert probability == np.float32(0.2)


def soft(bundle: Bundle, probability: float, soft_area: int) -> Detector:
    """A detector with a soft gate of threshold 0.5 that always gives the same probability."""
    manifest = with_gate(bundle, mode=GateMode.SOFT, soft_area=soft_area)
    return Detector(manifest, Answering([probability]), Lopsided())


@pytest.mark.parametrize(
    ("probability", "soft_area", "areas"),
    [
        (0.5, 10**6, [256]),  # at the threshold nothing is added
        (0.9, 10**6, [256]),
        (0.25, 512, [256]),  # half of it is added: the area is just enough
        (0.25, 514, []),
        (0.0, 256, [256]),
        (0.0, 257, []),
    ],
)
def test_a_soft_gate_asks_for_larger_defects(
    rule_bundle: Bundle, probability: float, soft_area: int, areas: list[int]
) -> None:
    detector = soft(rule_bundle, probability, soft_area)
    prepared = [detector.prepare(bright_picture())]
    assert detector.passes(detector.gate(prepared)).tolist() == [True]
    findings = found(detector, bright_picture())
    assert [one.area for one in findings] == areas
    assert all(one.defect_class in rule_bundle.manifest.classes for one in findings)


def test_a_soft_gate_raises_each_picture_by_its_own_probability(rule_bundle: Bundle) -> None:
    detector = soft(rule_bundle, 0.0, 1000)
    prepared = [detector.prepare(bright_picture())] * 4
    answers = detector.segment(prepared, np.array([0.1, 0.45, 0.2, 0.8], np.float32))
    assert [len(one.findings) for one in answers if isinstance(one, Outline)] == [0, 1, 0, 1]


def test_a_soft_gate_whose_answer_is_not_finite_lets_nothing_pass(rule_bundle: Bundle) -> None:
    detector = soft(rule_bundle, np.nan, 10)
    probabilities = detector.gate([detector.prepare(plain_picture())])
    assert not detector.passes(probabilities).any()


@pytest.mark.parametrize(
    ("mirrors", "values"),
    [
        # the four quarters of an all bright picture: upper left, upper right, lower left and right
        ([], [1, 0.5, 0.5, 0.25]),
        ([Mirror.HORIZONTAL], [0.75, 0.75, 0.375, 0.375]),
        ([Mirror.VERTICAL], [0.75, 0.375, 0.75, 0.375]),
        ([Mirror.BOTH], [0.625, 0.5, 0.5, 0.625]),
        ([Mirror.HORIZONTAL, Mirror.VERTICAL, Mirror.BOTH], [0.5625] * 4),
    ],
)
def test_mirrored_copies_are_asked_and_mirrored_back(
    rule_bundle: Bundle, mirrors: list[Mirror], values: list[float]
) -> None:
    segmenter = Segmenter(input=rule_bundle.manifest.segmenter.input, mirrors=mirrors)
    manifest = rule_bundle.manifest.model_copy(update={"segmenter": segmenter})
    runtime = Lopsided()
    detector = Detector(manifest, None, runtime)
    picture = np.full((HEIGHT, WIDTH), 250, np.uint8)
    maps = detector.maps([detector.prepare(picture)] * 3)
    assert maps.shape == (3, HEIGHT, WIDTH, 2)
    assert maps.dtype == np.float32
    assert runtime.batches == [3] * (1 + len(mirrors))
    down, right = HEIGHT // 2, WIDTH // 2
    quarters = [
        maps[:, rows, columns, 0]
        for rows in (slice(0, down), slice(down, None))
        for columns in (slice(0, right), slice(right, None))
    ]
    assert [np.unique(quarter).tolist() for quarter in quarters] == [[value] for value in values]
    assert not maps[..., 1].any()


def test_a_defect_stays_where_it_is_however_many_copies_are_asked(rule_bundle: Bundle) -> None:
    detector = open_detector(rule_bundle, OPTIONS)
    segmenter = Segmenter(input=rule_bundle.manifest.segmenter.input, mirrors=list(Mirror))
    manifest = rule_bundle.manifest.model_copy(update={"segmenter": segmenter})
    mirrored = Detector(manifest, None, detector.segmenter)
    for one, other in zip(
        found(detector, both_picture()), found(mirrored, both_picture()), strict=True
    ):
        assert np.array_equal(one.runs, other.runs)


CLASS = DefectClass(id=3, name="scratch", pixel_threshold=0.5, min_area=0)


@pytest.mark.parametrize(
    ("probability", "threshold", "min_area", "area"),
    [
        ([[0.4, 0.6], [0.6, 0.4]], 0.5, 0, 2),
        ([[0.5, 0.5], [0.5, 0.5]], 0.5, 0, None),  # a pixel must be above
        ([[0.5001, 0], [0, 0]], 0.5, 0, 1),
        ([[0.5, 0.6], [0.5, 0]], 0.5, 0, 1),
        ([[0.6, 0.6], [0, 0]], 0.5, 2, 2),  # the minimum area itself is enough
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


@pytest.mark.parametrize(("added", "area"), [(0, 3), (1, 3), (2, None)])
def test_a_least_area_may_be_raised(added: int, area: int | None) -> None:
    wanted = CLASS.model_copy(update={"min_area": 2})
    probability = np.array([[0.6, 0.6], [0.6, 0.1]], np.float32)
    finding = find_defect(probability, (2, 2), wanted, added)
    assert (finding.area if finding else None) == area
    assert finding is None or finding.defect_class is wanted


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
    mask = run_lengths.to_mask(finding.runs, probability.shape)
    assert np.array_equal(mask, expected)
    assert finding.area == mask.sum()
    assert finding.share == pytest.approx(mask.mean())
    assert finding.box == run_lengths.bounding_box(finding.runs, probability.shape[0])
    assert finding.mean_probability == pytest.approx(probability[mask].mean(), rel=1e-5)
    assert finding.max_probability == probability.max()
    assert 1 <= finding.region_count <= finding.area


def test_maps_are_resized_before_they_are_cut() -> None:
    probability = np.array([[0, 0], [0, 1]], np.float32)
    finding = find_defect(probability, (40, 40), CLASS)
    assert finding is not None
    expected = cv2.resize(probability, (40, 40), interpolation=cv2.INTER_LINEAR) > 0.5
    assert np.array_equal(run_lengths.to_mask(finding.runs, (40, 40)), expected)
    assert 1 < finding.area / 20**2 * 4 < 4
    corner = run_lengths.to_mask(finding.runs, (40, 40))[20:, 20:]
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
