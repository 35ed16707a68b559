"""Held-out scores from a detector whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from steeldefect import rle
from steeldefect.detector import Detector
from steeldefect.errors import InferenceError
from steeldefect.manifest import Manifest
from steeldefect.runtimes import DeviceChoice, RuntimeChoice
from training.dataset import LabelledPicture, read_dataset
from training.evaluation import held_out_scores

Draft = Callable[..., Manifest]


@dataclass
class Answering:
    """A runtime that finds class 1 in bright pixels, and takes every picture for defective."""

    answer: Any
    name: RuntimeChoice = RuntimeChoice.OPENVINO
    device: DeviceChoice = DeviceChoice.CPU

    def predict(self, batch: np.ndarray) -> np.ndarray:
        return self.answer(batch)  # type: ignore[no-any-return]


def bright(batch: np.ndarray) -> np.ndarray:
    maps = np.zeros((*batch.shape[:3], 2), np.float32)
    maps[..., 0] = batch[..., 0] > 2
    return maps


@pytest.fixture
def pictures(folder: Any) -> list[LabelledPicture]:
    folder.picture("a.png", {1: folder.square(2, 3)})
    folder.picture("b.png", {1: folder.square(4, 30), 2: folder.square(18, 5)})
    folder.picture("c.png")
    folder.picture("d.png")
    folder.masks_table()
    folder.table("labels.csv", "ImageId,label", [("c.png", 0), ("d.png", 1)])
    return list(read_dataset(folder.path).pictures)


def values(detector: Detector, pictures: list[LabelledPicture]) -> dict[Any, tuple[Any, int]]:
    scores = held_out_scores(detector, pictures)
    return {(one.name, one.class_id): (one.value, one.support) for one in scores}


def test_scores_are_counted_pixel_by_pixel(
    pictures: list[LabelledPicture], draft: Draft, folder: Any
) -> None:
    detector = Detector(draft(gate=False), None, Answering(bright))
    found = values(detector, pictures)
    # d.png is defective, but nobody drew its masks: no pair of it counts
    assert found["mean_dice", None][1] == 3 * 2
    # on a.png class 1 is exact; on b.png the brighter class 2 outshines it
    first = rle.parse(folder.square(4, 30)), rle.parse(folder.square(18, 5))
    only_second = [one for one in found if one == ("positives_dice", 2)]
    assert only_second
    assert found["positives_dice", 2] == (0.0, 1)
    assert found["positives_dice", 1][1] == 2
    assert rle.overlap(*first) == 0
    assert ("gate_recall", None) not in found
    assert found["verdict_recall", None] == (pytest.approx(2 / 3), 3)
    assert found["verdict_clean_recall", None] == (1.0, 1)


def test_what_the_gate_stops_is_not_segmented(
    pictures: list[LabelledPicture], draft: Draft
) -> None:
    gate = Answering(lambda batch: np.array([[0.9], [0.0], [0.2], [0.05]], np.float32))
    detector = Detector(draft(gate=True), gate, Answering(bright))
    found = values(detector, pictures)
    assert found["gate_recall", None] == (pytest.approx(1 / 3), 3)
    assert found["gate_clean_recall", None] == (0.0, 1)
    assert found["gate_pass_share", None] == (0.5, 4)
    assert found["positives_dice", 1] == (pytest.approx(0.5), 2)
    assert found["verdict_recall", None] == (pytest.approx(1 / 3), 3)


def test_answers_that_are_not_finite_stop_the_fit(
    pictures: list[LabelledPicture], draft: Draft
) -> None:
    detector = Detector(draft(gate=False), None, Answering(lambda batch: bright(batch) * np.nan))
    with pytest.raises(InferenceError, match=r"a\.png: .*not finite"):
        held_out_scores(detector, pictures)


def test_no_pictures_give_no_scores(draft: Draft) -> None:
    detector = Detector(draft(gate=False), None, Answering(bright))
    assert values(detector, [])["mean_dice", None] == (None, 0)
