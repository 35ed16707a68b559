"""Held-out scores and their table, from a detector whose answers are known."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from steeldefect.bundle.manifest import GateMode, Manifest
from steeldefect.detection.detector import Detector
from steeldefect.errors import InferenceError
from steeldefect.evaluation import metrics
from steeldefect.pictures import run_lengths
from steeldefect.runtimes import DeviceChoice, Engine, Precision, Runtime, RuntimeChoice
from training.data.dataset import LabelledPicture, read_dataset
from training.evaluation.reference import bundle_reference
from training.evaluation.run_detector import run_detector
from training.evaluation.score_held_out import score_held_out

Draft = Callable[..., Manifest]


ENGINE = Engine(RuntimeChoice.OPENVINO, DeviceChoice.CPU, Precision.F32, batch_size=4)


@dataclass
class Answering(Runtime):
    """A runtime that finds class 1 in bright pixels, and rates every picture as defective."""

    rule: Any
    engine: Engine = ENGINE

    def predict(self, batch: np.ndarray) -> np.ndarray:
        return self.rule(batch)  # type: ignore[no-any-return]


def bright(batch: np.ndarray) -> np.ndarray:
    maps = np.zeros((*batch.shape[:3], 2), np.float32)
    maps[..., 0] = batch[..., 0] > 2
    return maps


def test_the_reference_of_a_bundle_measures_pictures_and_findings(
    pictures: list[LabelledPicture], draft: Draft
) -> None:
    gate = Answering(lambda batch: np.array([[0.9], [0.0], [0.2], [0.05]], np.float32))
    results = run_detector(Detector(draft(gate=True), gate, Answering(bright)), pictures)
    reference = bundle_reference(results, {1: "bright", 2: "dark"})
    assert not reference.as_they_come
    overall = reference.profiles.overall
    assert overall.pictures == 4
    means = sorted(float(np.float32(one.read().mean())) for one in pictures)
    assert overall.samples["gray_mean"].values == pytest.approx(means, rel=1e-6)
    assert overall.samples["gate_probability"].values == pytest.approx([0, 0.05, 0.2, 0.9])
    areas = sorted(
        int(size)
        for one in results
        for runs in one.masks.values()
        for size in cv2.connectedComponentsWithStats(
            run_lengths.to_mask(runs, one.picture.shape).astype(np.uint8), connectivity=8
        )[2][1:, cv2.CC_STAT_AREA]
    )
    assert areas
    assert list(overall.samples["area/1"].values) == areas


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
    scores = score_held_out(detector, pictures).scores
    return {(one.name, one.class_id): (one.value, one.support) for one in scores}


def test_scores_are_counted_pixel_by_pixel(
    pictures: list[LabelledPicture], draft: Draft, folder: Any
) -> None:
    detector = Detector(draft(gate=False), None, Answering(bright))
    found = values(detector, pictures)
    # d.png is defective, but nobody drew its masks: no pair of it counts
    assert found["mean_dice", None][1] == 3 * 2
    # on a.png class 1 is exact; on b.png the brighter class 2 outshines it
    first = run_lengths.parse(folder.square(4, 30)), run_lengths.parse(folder.square(18, 5))
    only_second = [one for one in found if one == ("positives_dice", 2)]
    assert only_second
    assert found["positives_dice", 2] == (0.0, 1)
    assert found["positives_dice", 1][1] == 2
    assert run_lengths.overlap(*first) == 0
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
        score_held_out(detector, pictures)


def test_a_gate_that_is_not_finite_stops_the_fit(
    pictures: list[LabelledPicture], draft: Draft
) -> None:
    gate = Answering(lambda batch: np.array([[0.9], [0.8], [np.nan], [0.05]], np.float32))
    with pytest.raises(InferenceError, match=r"c\.png: the gate's answer is not finite"):
        score_held_out(Detector(draft(gate=True), gate, Answering(bright)), pictures)


@pytest.fixture
def gated(draft: Draft) -> Detector:
    gate = Answering(lambda batch: np.array([[0.9], [0.0], [0.2], [0.05]], np.float32))
    return Detector(draft(gate=True), gate, Answering(bright))


def test_the_table_has_a_row_for_each_picture_and_class(
    pictures: list[LabelledPicture], gated: Detector
) -> None:
    table = score_held_out(gated, pictures).table
    columns = "ImageId group defective gate_probability passed class_id tp fp fn tn"
    assert list(table) == columns.split()
    assert table[["ImageId", "class_id"]].to_numpy().tolist() == [
        [name, class_id] for name in ("a.png", "b.png", "c.png", "d.png") for class_id in (1, 2)
    ]
    each = table[table["class_id"] == 1]
    assert each["group"].tolist() == ["a.png", "b.png", "c.png", "d.png"]
    assert each["defective"].tolist() == [1, 1, 0, 1]
    assert each["passed"].tolist() == [1, 0, 1, 0]
    assert each["gate_probability"].tolist() == pytest.approx([0.9, 0.0, 0.2, 0.05])
    counts = table[["tp", "fp", "fn", "tn"]]
    everything = 32 * 64
    assert counts.iloc[0].tolist() == [144, 0, 0, everything - 144]
    assert counts.iloc[1].tolist() == [0, 0, 0, everything]
    assert counts.iloc[2].tolist() == [0, 0, 144, everything - 144]  # stopped by the gate
    assert counts.iloc[6:].isna().all(axis=None), "nobody drew the masks of d.png"


def test_the_table_can_be_read_back_and_scored_again(
    pictures: list[LabelledPicture], gated: Detector
) -> None:
    held_out = score_held_out(gated, pictures)
    read = pd.read_csv(io.StringIO(held_out.to_csv()))
    assert len(read) == 8
    assert read["tp"].isna().sum() == 2
    assert read["gate_probability"].astype("float32").tolist() == (
        held_out.table["gate_probability"].astype("float32").tolist()
    )
    again = metrics.segmentation_scores(read.dropna(subset=["tp"]), [1, 2])
    assert again == held_out.scores[: len(again)]


def test_without_a_gate_no_probability_is_written(
    pictures: list[LabelledPicture], draft: Draft
) -> None:
    held_out = score_held_out(Detector(draft(gate=False), None, Answering(bright)), pictures)
    assert held_out.table["gate_probability"].isna().all()
    assert (held_out.table["passed"] == 1).all()
    assert "a.png,a.png,1,,1,1,144,0,0,1904\n" in held_out.to_csv()


def test_a_soft_gate_asks_for_larger_defects(pictures: list[LabelledPicture], draft: Draft) -> None:
    manifest = draft(gate=True)
    update = {"mode": GateMode.SOFT, "threshold": 0.5, "soft_area": 200}
    soft = manifest.model_copy(update={"gate": manifest.gate.model_copy(update=update)})
    gate = Answering(lambda batch: np.array([[0.3], [0.1], [0.2], [0.9]], np.float32))
    table = score_held_out(Detector(soft, gate, Answering(bright)), pictures).table
    assert (table["passed"] == 1).all()
    # a.png: 80 are added, of 144 found; b.png: 160, on a picture that shows the square of class 2
    assert table["tp"].iloc[0] == 144
    assert table["fp"].iloc[2] == 0


def test_no_pictures_give_no_scores(draft: Draft) -> None:
    assert score_held_out(Detector(draft(gate=False), None, Answering(bright)), []).table.empty
    detector = Detector(draft(gate=False), None, Answering(bright))
    assert values(detector, [])["mean_dice", None] == (None, 0)
