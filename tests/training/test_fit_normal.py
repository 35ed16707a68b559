"""Bundles that know what clean pictures look like: beside classes that were learnt, and alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.random_models import awake

from steeldefect.bundle.files import Bundle, ModelForm, ModelName, open_bundle
from steeldefect.bundle.manifest import UNKNOWN, DefectClass, Manifest
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector
from steeldefect.detection.outline import Outline
from steeldefect.detection.selftest import check_selftest
from steeldefect.errors import DataError, SettingsError
from steeldefect.pictures.preprocessing import Gray
from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions
from training.backend import keras
from training.data.dataset import read_dataset
from training.export.staging import Models
from training.export.write_bundle import write_bundle
from training.fit import FitResult, fit
from training.models import build_segmenter, for_export
from training.models.weights import _whole_model
from training.recipe import Recipe, Segmenter, read_recipe
from training.summary import summarise

INPUT = {"height": 32, "width": 64, "channels": 1, "scaling": "standard"}
UNIT = INPUT | {"scaling": "unit"}  # the contrast of a defect then leaves the rest as it is
FITTED = {
    "input": INPUT,
    "epochs": 1,
    "batch_size": 8,
    "optimizer": {"kind": "adam", "learning_rate": 0.01},
}
SHARED: dict[str, Any] = {
    "name": "tiny",
    "split": {"validation": 0.25, "test": 0.25},
    "segmenter": {**FITTED, "kind": "unet", "loss": "bce_dice"},
    "gate": {**FITTED, "kind": "shared", "weights": "segmenter", "freeze_base": True},
    "novelty": {"false_alarms": 0.1},
    "compile": {"int8_pictures": 0},
}
DraftOf = Callable[..., Manifest]
RECIPES = Path(__file__).parents[2] / "conf" / "recipes"


def normal(weights: Path) -> dict[str, Any]:
    return {
        "name": "normal",
        "split": SHARED["split"],
        "segmenter": {"kind": "none", "weights": str(weights), "input": UNIT},
        "gate": {"kind": "none"},
        "novelty": {"false_alarms": 0.1},
        "calibrate": {"gate_recall": None, "temperature": False, "objective": None},
        "compile": {"int8_pictures": 0},
    }


@pytest.fixture(scope="module")
def beside(
    learnable: Path, elsewhere: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> FitResult:
    begun = {"weights": str(elsewhere.folder), "freeze_batch_norm": True}
    recipe = Recipe.model_validate(SHARED | {"segmenter": SHARED["segmenter"] | begun})
    return fit(learnable, recipe, tmp_path_factory.mktemp("beside") / "b")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, draft: DraftOf) -> Bundle:
    """A bundle with an encoder, as one for another surface."""
    keras.utils.set_random_seed(0)
    segmenter = Segmenter.model_validate(SHARED["segmenter"])
    model = for_export(awake(build_segmenter(segmenter, 2)[0]), segmenter.spec)
    manifest = draft(gate=False)
    return write_bundle(tmp_path_factory.mktemp("elsewhere") / "b", Models(None, model), manifest)


@pytest.fixture(scope="module")
def alone(
    learnable: Path, elsewhere: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> FitResult:
    recipe = Recipe.model_validate(normal(elsewhere.folder))
    return fit(learnable, recipe, tmp_path_factory.mktemp("alone") / "b")


def opened(result: FitResult, precision: Precision = Precision.F32) -> Detector:
    options = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, precision=precision, threads=1)
    return open_detector(result.bundle, options)


def clean_picture(seed: int = 0) -> Gray:
    return np.random.default_rng(seed).integers(60, 100, (32, 64), dtype=np.uint8)


def odd_picture() -> Gray:
    """A picture with a bright square; pictures that are fitted have none."""
    picture = clean_picture()
    picture[8:24, 24:40] = 230
    return picture


def test_classes_that_were_learnt_stay_and_the_unknown_follows(beside: FitResult) -> None:
    manifest = open_bundle(beside.bundle.folder).manifest
    assert manifest.format_version == 5
    assert [one.name for one in manifest.classes] == ["light", "bright"]
    assert [one.name for one in manifest.outlined_classes] == ["light", "bright", UNKNOWN]
    assert manifest.novelty is not None
    assert manifest.novelty.unknown.id == 3
    assert 0 < manifest.novelty.unknown.pixel_threshold < manifest.novelty.limit < 1
    assert {one.class_id for one in manifest.held_out_scores} == {None, 1, 2}
    names = {one.name for one in manifest.held_out_scores}
    assert {"novelty_auc", "novelty_recall", "novelty_false_alarms"} <= names
    assert manifest.shares_network
    assert manifest.compiled is not None
    assert manifest.compiled.shared
    assert "gate began with the weights of the segmenter" in manifest.training.notes
    check_selftest(open_bundle(beside.bundle.folder))
    assert "novelty: limit from" in summarise(beside.bundle)


def test_what_was_promised_and_what_it_would_need_is_said(beside: FitResult) -> None:
    manifest = beside.bundle.manifest
    assert manifest.novelty is not None
    count = manifest.novelty.clean_pictures
    if count >= 9:
        assert manifest.novelty.false_alarms <= 0.1
    else:
        assert manifest.novelty.false_alarms == pytest.approx(1 / (count + 1))
        assert any("0.1 needs 9 of them" in note for note in manifest.training.notes)


def test_what_nobody_named_is_found_and_what_is_clean_is_not(alone: FitResult) -> None:
    detector = opened(alone)
    prepared = [detector.prepare(one) for one in (odd_picture(), *map(clean_picture, range(3)))]
    judged = detector.judge(prepared)
    odd, *clean = (detector.novelty(one) for one in judged.oddness.tolist())
    assert odd is not None
    assert odd > 1
    assert odd > max(one for one in clean if one is not None)
    assert detector.passes(*judged)[0]
    (outline,) = detector.segment(prepared[:1], judged.probability[:1], judged.oddness[:1])
    assert isinstance(outline, Outline)
    (found,) = outline.findings
    assert found.defect_class.name == UNKNOWN
    assert found.box.left < 32 < found.box.right


def test_a_bundle_of_clean_pictures_has_the_unknown_as_its_only_class(alone: FitResult) -> None:
    manifest = open_bundle(alone.bundle.folder).manifest
    assert manifest.novelty is not None
    assert manifest.classes == manifest.outlined_classes == [manifest.novelty.unknown]
    assert manifest.gate is not None
    assert manifest.gate.threshold == manifest.novelty.limit
    assert manifest.training.minutes < 1
    scores = {one.name: one.value for one in manifest.held_out_scores if one.class_id is None}
    assert scores["novelty_auc"] == scores["gate_auc"]
    assert scores["novelty_auc"] > 0.9  # type: ignore[operator]


def test_all_forms_say_the_same(alone: FitResult) -> None:
    pictures = [odd_picture(), *map(clean_picture, range(5))]
    forms = alone.bundle.manifest.compiled
    assert forms is not None
    answers = {}
    for precision in (one.precision for one in forms.forms):
        detector = opened(alone, Precision(precision.value))
        answers[precision.value] = detector.judge([detector.prepare(one) for one in pictures])
    exact = answers.pop("f32").oddness
    for name, judged in answers.items():
        np.testing.assert_allclose(judged.oddness, exact, atol=0.05, err_msg=name)


def test_only_clean_pictures_are_needed(alone: FitResult, tmp_path: Path) -> None:
    images = tmp_path / "data" / "images"
    images.mkdir(parents=True)
    for number in range(16):
        cv2.imwrite(str(images / f"c{number}.png"), clean_picture(number))
    (images.parent / "train.csv").write_text("ImageId,ClassId,EncodedPixels\n", encoding="utf-8")
    assert not any(one.defective for one in read_dataset(images.parent).pictures)
    result = fit(images.parent, Recipe.model_validate(normal(alone.bundle.folder)), tmp_path / "b")
    assert result.bundle.manifest.classes == [
        DefectClass(**result.bundle.manifest.novelty.unknown.model_dump())  # type: ignore[union-attr]
    ]
    detector = opened(result)
    assert detector.passes(*detector.judge([detector.prepare(odd_picture())])).all()


def test_without_clean_pictures_nothing_is_usual(learnable: Path, tmp_path: Path) -> None:
    labels = tmp_path / "data"
    labels.mkdir()
    (labels / "images").symlink_to(learnable / "images")
    rows = [f"{path.name},1" for path in sorted((learnable / "images").iterdir())]
    (labels / "labels.csv").write_text("\n".join(["ImageId,label", *rows]) + "\n")
    (labels / "train.csv").write_bytes((learnable / "train.csv").read_bytes())
    (labels / "classes.json").write_bytes((learnable / "classes.json").read_bytes())
    content = normal(tmp_path) | {"segmenter": {"kind": "none", "weights": "x.h5", "input": INPUT}}
    with pytest.raises(DataError, match="no clean picture in the train part"):
        fit(labels, Recipe.model_validate(content), tmp_path / "b")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"novelty": None}, "finds nothing without novelty"),
        ({"gate": SHARED["gate"]}, "needs gate.kind: none"),
        ({"segmenter": {"kind": "none", "input": INPUT}}, "needs weights"),
    ],
)
def test_recipes_that_cannot_work_are_refused(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Recipe.model_validate(normal(Path("bundle")) | change)


def test_without_a_shared_gate_nobody_judges_novelty() -> None:
    recipe = Recipe.model_validate(SHARED | {"gate": {"kind": "none"}})
    assert recipe.novelty is not None
    assert not recipe.judges_novelty


def test_the_recipe_for_clean_pictures_is_complete() -> None:
    recipe = read_recipe(RECIPES / "normal.yaml")
    assert not recipe.learns_classes
    assert recipe.judges_novelty
    with pytest.raises(SettingsError, match="finds nothing without novelty"):
        read_recipe(RECIPES / "normal.yaml", ["novelty=null"])


def test_a_fit_may_continue_from_a_bundle_that_judges_novelty(beside: FitResult) -> None:
    folder = str(beside.bundle.folder)
    segmenter = Segmenter.model_validate({**SHARED["segmenter"], "weights": folder})
    model, loaded = build_segmenter(segmenter, 2)
    whole = _whole_model(open_bundle(beside.bundle.folder, (ModelForm.KERAS,)), ModelName.SEGMENTER)
    picture = np.random.default_rng(0).normal(size=(1, 32, 64, 1)).astype(np.float32)
    np.testing.assert_allclose(model(picture), whole(picture)[..., :2], atol=1e-5)
    assert loaded.layers


def test_the_keras_form_of_the_whole_takes_pictures(alone: FitResult) -> None:
    bundle = open_bundle(alone.bundle.folder, (ModelForm.KERAS,))
    maps = _whole_model(bundle, ModelName.SEGMENTER)(np.zeros((2, 32, 64, 1), np.float32))
    assert maps.shape == (2, 32, 64, 1)
