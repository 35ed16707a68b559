"""Test calibration from pictures to manifest: its scores equal those of scoring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.calibrated import Answering, Array

from steeldefect.bundle.manifest import DefectClass, GateMode, Manifest, Mirror
from steeldefect.detection.detector import Detector
from steeldefect.detection.outline import find_defect
from steeldefect.errors import DataError, InferenceError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Scaling
from training.calibration.calibrate import Calibrated, calibrate
from training.calibration.measure import THRESHOLDS, measure, sweep_map, tried
from training.data.dataset import LabelledPicture, read_dataset
from training.evaluation.run_detector import run_detector
from training.evaluation.score_held_out import score_held_out
from training.recipe import AreaObjective, Calibrate, GateModes, Guarantee

Drafts = Callable[..., Manifest]
HEIGHT, WIDTH = 32, 64
OF_A_KIND = 8  # clean pictures, pictures with class 1, pictures with both classes


def maps_of(batch: Array) -> Array:
    """Return class maps by gray level: noise is 60 to 99, class 1 is 200, class 2 is 240.

    Class 1 gets 0.65, and wrongly 0.35 in the brightest noise. Class 2 gets 0.55, and wrongly
    0.55 in some dark noise.
    """
    gray = np.rint(batch[..., 0] * 255)
    maps = np.full((*gray.shape, 2), 0.02, np.float32)
    maps[..., 0][gray > 97] = 0.35
    maps[..., 0][(gray > 160) & (gray < 220)] = 0.65
    maps[..., 1][gray > 220] = 0.55
    maps[:, :, : WIDTH // 2, 1][gray[:, :, : WIDTH // 2] == 60] = 0.55
    return maps


def modest(batch: Array) -> Array:
    """Return answers that are right but too near to 0.5: more for a square, 0.4 for noise."""
    gray = np.rint(batch[..., 0] * 255)
    answers = 0.4 + 2 * (gray > 160).mean(axis=(1, 2)) + (gray == 61).mean(axis=(1, 2)) / 10
    return answers[:, np.newaxis]


def silent(batch: Array) -> Array:
    raise AssertionError("this model should not be asked")


@pytest.fixture
def pictures(folder: Any) -> list[LabelledPicture]:
    """Return `OF_A_KIND` pictures of each kind, and one defective picture without drawn masks."""
    for number in range(OF_A_KIND):
        folder.picture(f"clean{number}.png")
        folder.picture(f"one{number}.png", {1: folder.square(2 + number, 3 + 5 * number)})
        both = {1: folder.square(2, 3 + number), 2: folder.square(18, 30 + 2 * number, size=8)}
        folder.picture(f"two{number}.png", both)
    folder.picture("undrawn.png")
    folder.masks_table()
    named = sorted(path.name for path in (folder.path / "images").iterdir())
    labels = [(name, int(not name.startswith("clean"))) for name in named]
    folder.table("labels.csv", "ImageId,label", labels)
    return list(read_dataset(folder.path).pictures)


@pytest.fixture
def drafts(draft: Drafts) -> Drafts:
    """Return a function that makes drafts whose models get gray levels divided by 255.

    `values` are set in all classes.
    """

    def make(gate: bool = True, mirrors: tuple[Mirror, ...] = (), **values: Any) -> Manifest:
        made = draft(gate=gate)
        spec = made.segmenter.input.model_copy(update={"scaling": Scaling.UNIT})
        parts: dict[str, Any] = {
            "segmenter": made.segmenter.model_copy(
                update={"input": spec, "mirrors": list(mirrors)}
            ),
            "classes": [one.model_copy(update=values) for one in made.classes],
        }
        if made.gate:
            parts["gate"] = made.gate.model_copy(update={"input": spec})
        return made.model_copy(update=parts)

    return make


def opened(manifest: Manifest) -> Detector:
    return Detector(manifest, Answering(modest) if manifest.gate else None, Answering(maps_of))


def calibrated(
    manifest: Manifest, pictures: Sequence[LabelledPicture], asked: Calibrate
) -> Calibrated:
    return calibrate(measure(opened(manifest), pictures), manifest, pictures, asked)


def values(scores: Any) -> dict[Any, Any]:
    return {(one.name, one.class_id): (one.value, one.support) for one in scores}


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
@example(2031900, (5, 1), (15, 1))
def test_a_map_is_cut_as_scoring_cuts_it(
    seed: int, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    # of few values, thresholds among them: what lies at a threshold is not above it
    probability = rng.choice(np.array([0, 0.1, 0.3, 0.5, 0.9, 1], np.float32), size)
    truth = run_lengths.from_mask(rng.random(shape) < rng.choice([0, 0.4]))
    pairs = tried()
    areas, hits = sweep_map(probability, shape, truth, pairs)
    for (threshold, surer), area, tp in zip(pairs, areas, hits, strict=True):
        wanted = DefectClass(id=1, name="any", pixel_threshold=threshold, seed_threshold=surer)
        finding = find_defect(probability, shape, wanted)
        assert area == (finding.area if finding else 0)
        assert tp == (run_lengths.overlap(finding.runs, truth) if finding else 0)


def test_the_sweep_has_a_row_for_each_outlined_picture_class_and_pair_of_thresholds(
    pictures: list[LabelledPicture], drafts: Drafts
) -> None:
    detector = opened(drafts(pixel_threshold=0.45))
    measured = measure(detector, pictures)
    sweep = measured.sweep
    assert measured.probability.dtype == np.float32
    assert measured.probability.shape == (len(pictures),)
    grid = tried([0.45])
    assert grid[: len(THRESHOLDS) + 1] == [(one, None) for one in sorted([*THRESHOLDS, 0.45])]
    assert set(grid[len(THRESHOLDS) + 1 :]) >= {(0.1, 0.2), (0.45, 0.5), (0.9, 0.98)}
    drawn = [place for place, picture in enumerate(pictures) if picture.outlined]
    assert len(drawn) == len(pictures) - 1
    named = sweep[["picture", "class_id", "threshold", "seed"]].fillna(-1).to_numpy().tolist()
    assert named == [
        [place, class_id, threshold, -1 if seed is None else seed]
        for place in drawn
        for class_id in (1, 2)
        for threshold, seed in grid
    ]
    place = next(n for n, picture in enumerate(pictures) if picture.name == "two0.png")
    rows = sweep[(sweep["picture"] == place) & (sweep["class_id"] == 2)]
    rows = rows[rows["seed"].isna()].set_index("threshold")
    assert (rows["truth"] == 64).all()
    assert rows["tp"].tolist() == [64] * 6 + [0] * 4
    assert rows.loc[0.5, "area"] > 64
    assert rows.loc[0.6, "area"] == 0


def test_mirrored_copies_are_measured_as_they_are_scored(
    pictures: list[LabelledPicture], drafts: Drafts
) -> None:
    plain = measure(opened(drafts()), pictures).sweep
    mirrored = measure(opened(drafts(mirrors=(Mirror.HORIZONTAL,))), pictures).sweep
    second = (plain["class_id"] == 2) & (plain["threshold"] == 0.5) & plain["seed"].isna()
    # dark noise counts in the left half of a picture alone: half as much in the mean
    assert mirrored[second]["area"].sum() == plain[second]["tp"].sum() < plain[second]["area"].sum()


def test_a_temperature_already_there_is_refused(
    pictures: list[LabelledPicture], drafts: Drafts
) -> None:
    manifest = drafts()
    hot = manifest.model_copy(update={"gate": manifest.gate.model_copy(update={"temperature": 2})})
    with pytest.raises(ValueError, match=r"temperature is 2.*measure with a draft's"):
        measure(opened(hot), pictures)


def test_answers_that_are_not_finite_name_their_picture(
    pictures: list[LabelledPicture], drafts: Drafts
) -> None:
    segmenter = Answering(lambda batch: maps_of(batch) * np.nan)
    with pytest.raises(InferenceError, match=r"clean0\.png: the segmenter's answer"):
        measure(Detector(drafts(gate=False), None, segmenter), pictures)
    gate = Answering(lambda batch: modest(batch) * np.nan)
    with pytest.raises(InferenceError, match=r"clean0\.png: the gate's answer"):
        measure(Detector(drafts(), gate, Answering(silent)), pictures)


def lower(batch: Array) -> Array:
    """Return the answers of `modest` in a form that rounds down, most of all those near 0.4."""
    answers = modest(batch)
    return np.asarray(answers - 0.05 * (answers < 0.6))


@pytest.mark.parametrize("guarantee", [None, Guarantee(missed=0.3, confidence=0.5)])
def test_no_defective_picture_is_lost_in_a_gate_that_rounds(
    pictures: list[LabelledPicture], drafts: Drafts, guarantee: Guarantee | None
) -> None:
    manifest = drafts()
    asked = Calibrate(gate_recall=1.0, guarantee=guarantee)
    exact, rounding = opened(manifest), Detector(manifest, Answering(lower), Answering(silent))
    measured = measure(exact, pictures, rounding)
    assert measured.rounded is not None
    assert (measured.rounded < measured.probability).any()
    found = calibrate(measured, manifest, pictures, asked).manifest
    for rule in (modest, lower):
        results = run_detector(Detector(found, Answering(rule), Answering(maps_of)), pictures)
        assert [one.picture.name for one in results if one.picture.defective] == [
            one.picture.name for one in results if one.picture.defective and one.passed
        ]
    by_f32_alone = calibrate(replace(measured, rounded=None), manifest, pictures, asked).manifest
    results = run_detector(Detector(by_f32_alone, Answering(lower), Answering(maps_of)), pictures)
    assert not all(one.passed for one in results if one.picture.defective)


def test_a_gate_that_rounds_and_fails_decides_nothing(
    pictures: list[LabelledPicture], drafts: Drafts
) -> None:
    def failing(batch: Array) -> Array:
        raise RuntimeError("no kernel")

    manifest = drafts()
    measured = measure(
        opened(manifest), pictures, Detector(manifest, Answering(failing), Answering(silent))
    )
    assert np.array_equal(measured.least_probability, measured.probability)


@pytest.mark.parametrize("objective", list(AreaObjective))
@pytest.mark.parametrize("modes", list(GateModes))
@pytest.mark.parametrize("gate", [True, False])
def test_scoring_gets_the_scores_that_calibration_promises(
    pictures: list[LabelledPicture],
    drafts: Drafts,
    objective: AreaObjective,
    modes: GateModes,
    gate: bool,
) -> None:
    manifest = drafts(gate=gate)
    wanted = Calibrate(gate_recall=0.9, gate_mode=modes, objective=objective)
    done = calibrated(manifest, pictures, wanted)
    outlined = [picture for picture in pictures if picture.outlined]
    scored = values(score_held_out(opened(done.manifest), outlined).scores)
    del scored["region_calibration_error", None]  # calibration measures it by cross-fitting
    assert done.manifest.calibration is not None
    promised = values(done.manifest.calibration.scores)
    assert promised.keys() == scored.keys()
    for name, (value, support) in scored.items():
        if not name[0].startswith("gate_"):  # of these, calibration counts all pictures
            assert promised[name] == (pytest.approx(value), support), name
    everything = values(score_held_out(opened(done.manifest), pictures).scores)
    for name, (value, support) in everything.items():
        if name[0].startswith("gate_"):
            assert promised[name] == (pytest.approx(value), support), name


def test_the_manifest_says_what_was_chosen_and_how(
    pictures: list[LabelledPicture], drafts: Drafts
) -> None:
    manifest = drafts(pixel_threshold=0.3)
    done = calibrated(manifest, pictures, Calibrate(gate_recall=0.9))
    light, bright = done.manifest.classes
    # at 0.3 the brightest noise counts as class 1; dark noise of class 2 goes by its area alone
    assert (light.pixel_threshold, light.min_area) == (0.5, 0)
    assert bright.pixel_threshold == 0.5
    assert 1 < bright.min_area <= 64
    gate, record = done.manifest.gate, done.manifest.calibration
    assert gate is not None
    assert record is not None
    assert gate.temperature < 1, "a gate that is too modest"
    assert (gate.mode, gate.soft_area) == (GateMode.HARD, 0)
    assert (record.pictures, record.defective) == (25, 17)
    assert (record.objective, record.target_recall, record.confidence) == ("balanced", 0.9, 0.95)
    assert record.gate_recall == 16 / 17, "the picture without a mask is noise to the gate"
    low, high = record.gate_recall_interval or (1, 0)
    assert low < 16 / 17 < high < 1
    before, after = record.gate_calibration_error or (0, 1)
    assert after < before
    assert Manifest.model_validate_json(done.manifest.model_dump_json()) == done.manifest
    assert done.curves.gate is not None
    assert done.curves.reliability_after is not None
    assert done.curves.reliability_after.error == after
    assert [one.class_id for one in done.curves.classes] == [1, 2]
    assert done.notes == ()


def test_nothing_is_chosen_where_nothing_is_asked_for(
    pictures: list[LabelledPicture], drafts: Drafts
) -> None:
    manifest = drafts(pixel_threshold=0.35, min_area=9)
    nothing = Calibrate(gate_recall=None, temperature=False, objective=None)
    done = calibrated(manifest, pictures, nothing)
    assert done.manifest.classes == manifest.classes
    assert done.manifest.gate == manifest.gate
    assert done.curves.classes == ()
    record = done.manifest.calibration
    assert record is not None
    assert (record.objective, record.target_recall, record.gate_recall) == ("none", None, 1)


def test_without_a_gate_only_classes_are_chosen(
    pictures: list[LabelledPicture], drafts: Drafts
) -> None:
    manifest = drafts(gate=False)
    done = calibrated(manifest, pictures, Calibrate(gate_mode=GateModes.BEST))
    record = done.manifest.calibration
    assert record is not None
    assert done.manifest.gate is None
    assert (record.gate_recall, record.gate_recall_interval, record.target_recall) == (None,) * 3
    assert done.manifest.classes[1].min_area > 0
    assert (done.curves.gate, done.curves.reliability_before) == (None, None)


def test_a_class_that_few_pictures_show_is_noted(
    pictures: list[LabelledPicture], drafts: Drafts
) -> None:
    few = [one for one in pictures if not one.name.startswith("two")] + pictures[-3:-1]
    assert sum(2 in one.runs for one in few) == 2
    manifest = drafts()
    done = calibrated(manifest, few, Calibrate())
    (note,) = done.notes
    assert note == (
        "class 2 (c2): 2 validation pictures show it, fewer than 5; it keeps pixel threshold 0.5 "
        "and minimum area 0"
    )


def test_pictures_without_known_masks_are_refused(
    pictures: list[LabelledPicture], drafts: Drafts
) -> None:
    undrawn = [one for one in pictures if not one.outlined]
    for some in (undrawn, []):
        with pytest.raises(DataError, match=rf"none of the {len(some)} validation pictures"):
            calibrated(drafts(), some, Calibrate())
