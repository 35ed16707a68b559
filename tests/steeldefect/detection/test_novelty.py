"""What a limit of oddness does to pictures, and which odd regions are unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import UNKNOWN, DefectClass, Manifest, Novelty
from steeldefect.detection.detector import Detector
from steeldefect.detection.novelty import GateAnswer, Judged, is_odd, novelty_of
from steeldefect.detection.outline import Outline, OutlineRules, outline_picture, unexplained
from steeldefect.detection.windows import Window
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes import DeviceChoice, Engine, Precision, Runtime, RuntimeChoice

LIMIT = 0.6
UNKNOWN_CLASS = DefectClass(id=9, name=UNKNOWN, pixel_threshold=0.5)
NOVELTY = Novelty(limit=LIMIT, unknown=UNKNOWN_CLASS, clean_pictures=199, false_alarms=0.005)
ENGINE = Engine(RuntimeChoice.OPENVINO, DeviceChoice.CPU, Precision.F32, batch_size=4)


class Says(Runtime):
    """A model with a fixed answer for each picture."""

    engine = ENGINE

    def __init__(self, *answers: Any) -> None:
        self._answers = np.array(answers, np.float32)

    def predict(self, batch: Float32) -> Float32:
        return self._answers[: len(batch)]


def with_novelty(bundle: Bundle) -> Manifest:
    """The manifest with a shared gate (threshold 0.5) that also judges oddness."""
    content = bundle.manifest.model_dump() | {"format_version": 5, "novelty": NOVELTY.model_dump()}
    content["gate"] |= {"shared": True, "threshold": 0.5, "input": content["segmenter"]["input"]}
    return Manifest.model_validate(content)


def blank(bundle: Bundle) -> np.ndarray[Any, Any]:
    sizes = bundle.manifest.picture_sizes
    return np.full((sizes.height[0], sizes.width[0]), 90, np.uint8)


def test_a_novelty_is_a_ratio_of_distances() -> None:
    def oddness(distance: float) -> float:
        return distance**2 / (distance**2 + 4)

    novelty = NOVELTY.model_copy(update={"limit": oddness(3.0)})
    found = [novelty_of(novelty, oddness(one)) for one in (0.0, 1.5, 3.0, 6.0, 300.0)]
    assert found == pytest.approx([0, 0.5, 1, 2, 100], rel=1e-3)
    assert novelty_of(None, 0.4) is None
    assert novelty_of(novelty, float("nan")) is None
    assert novelty_of(novelty, 1.0) > 1000  # type: ignore[operator]


def test_novelty_and_limit_agree_on_every_picture() -> None:
    values = np.float32([0.59999996, 0.6, 0.60000004])
    odd = is_odd(NOVELTY, values)
    assert odd.tolist() == [False, True, True]
    assert [novelty_of(NOVELTY, one) >= 1 for one in values.tolist()] == [False, True, True]  # type: ignore[operator]
    assert not is_odd(NOVELTY, np.float32([np.nan])).any()
    assert not is_odd(None, values).any()


def test_odd_pictures_pass_whatever_the_gate_says(rule_bundle: Bundle) -> None:
    gate = Says([0.1, 0.2], [0.1, 0.7], [0.9, 0.2])
    detector = Detector(with_novelty(rule_bundle), gate, Says())
    judged = detector.judge([detector.prepare(blank(rule_bundle))] * 3)
    assert judged.probability.tolist() == pytest.approx([0.1, 0.1, 0.9])
    assert detector.passes(*judged).tolist() == [False, True, True]
    assert detector.passes(judged.probability).tolist() == [False, False, True]
    (answer, *_) = detector.gate_stage().push([detector.prepare(blank(rule_bundle))])
    assert answer == pytest.approx((0.1, 0.2))


@pytest.mark.parametrize("answer", [[np.nan, 0.2], [0.2, np.nan], [np.inf, 0.1]])
def test_an_answer_that_is_not_finite_is_none(rule_bundle: Bundle, answer: list[float]) -> None:
    detector = Detector(with_novelty(rule_bundle), Says(answer), Says())
    judged = detector.judge([detector.prepare(blank(rule_bundle))])
    assert np.isnan(judged.probability[0])
    assert not detector.passes(*judged)[0]


def test_the_unknown_is_outlined_on_odd_pictures_alone(rule_bundle: Bundle) -> None:
    manifest = with_novelty(rule_bundle)
    spec = manifest.segmenter.input
    maps = np.zeros((spec.height, spec.width, len(manifest.classes) + 1), np.float32)
    maps[4:12, 4:12, -1] = 0.8
    detector = Detector(manifest, Says(), Says())
    shape = (spec.height, spec.width)
    usual = detector.outline(maps, shape, GateAnswer(0.9, 0.59))
    odd = detector.outline(maps, shape, GateAnswer(0.1, 0.8))
    assert isinstance(usual, Outline)
    assert isinstance(odd, Outline)
    assert usual.findings == ()
    (finding,) = odd.findings
    assert (finding.defect_class, finding.area) == (UNKNOWN_CLASS, 64)


def test_regions_that_a_known_defect_explains_are_not_unknown() -> None:
    shape = (20, 40)
    mask = np.zeros(shape, bool)
    mask[2:8, 2:8] = mask[2:8, 20:30] = mask[12:15, 5:9] = True
    known = np.zeros(shape, bool)
    known[7:12, 7:12] = True  # shares one pixel with the first region
    window = Window(0, 0, mask.astype(np.float32))
    runs = run_lengths.from_mask(known)
    left = unexplained(window, 0.5, [runs], shape).above(0.5)
    mask[2:8, 2:8] = False
    assert np.array_equal(left, mask)
    cut = Window(2, 20, window.values[2:8, 20:30])
    assert unexplained(cut, 0.5, [runs], shape).above(0.5).all()
    assert np.array_equal(unexplained(window, 0.5, [], shape).above(0.5), window.values > 0.5)


def test_known_classes_come_first_and_no_level_is_kept_of_the_unknown() -> None:
    maps = np.zeros((16, 16, 2), np.float32)
    maps[2:6, 2:6, 0] = maps[2:7, 2:7, 1] = maps[10:14, 10:14, 1] = 0.9
    scratch = DefectClass(id=1, name="scratch")
    rules = OutlineRules(measured=True, levels=(0.3,), added_area=20)
    found = outline_picture(maps, (16, 16), [scratch, UNKNOWN_CLASS], rules, UNKNOWN_CLASS)
    assert [one.defect_class.name for one in found.findings] == [UNKNOWN]  # 16 pixels are too few
    assert found.findings[0].area == 41  # a class that does not count explains nothing
    assert {one.defect_class.name for one in found.levels} == {"scratch"}
    known = outline_picture(maps, (16, 16), [scratch, UNKNOWN_CLASS], OutlineRules(), UNKNOWN_CLASS)
    assert [one.defect_class.name for one in known.findings] == ["scratch", UNKNOWN]
    assert known.findings[1].area == 16


def test_answers_are_taken_apart_picture_by_picture() -> None:
    judged = Judged(np.float32([0.25, 0.5]), np.float32([0.75, 1.0]))
    assert judged.each() == [GateAnswer(0.25, 0.75), GateAnswer(0.5, 1.0)]
