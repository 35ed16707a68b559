"""Bundles from models: accepted by scoring, equal in both forms, all or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steeldefect.bundle import ModelForm, ModelName, open_bundle
from steeldefect.detector import Detector
from steeldefect.errors import AlreadyExistsError, BundleError
from steeldefect.manifest import Manifest, Score, Segmenter
from steeldefect.preprocessing import InputSpec, Scaling, prepare
from steeldefect.runtimes import RuntimeChoice, RuntimeOptions, open_runtime
from training import export
from training.backend import keras
from training.export import Models, write_bundle
from training.models.small import small_gate, small_unet

SHAPE = (32, 64, 1)
SPEC = InputSpec(height=32, width=64, channels=1, scaling=Scaling.STANDARD)
PICTURE = np.random.default_rng(3).integers(0, 255, (32, 64), dtype=np.uint8)


@pytest.fixture(scope="module")
def models() -> Models:
    keras.utils.set_random_seed(0)
    return Models(small_gate(SHAPE), small_unet(SHAPE, classes=2))


Draft = Callable[..., Manifest]


def test_a_bundle_holds_both_forms_that_agree(models: Models, tmp_path: Path, draft: Draft) -> None:
    attachments = {"split.csv": "ImageId,split,group\n"}
    written = write_bundle(
        tmp_path / "b", models, draft(), check_on=[PICTURE], attachments=attachments
    )
    bundle = open_bundle(tmp_path / "b")
    assert bundle.digest == written.digest
    assert set(bundle.manifest.files) == {
        "keras/gate.keras",
        "keras/segmenter.keras",
        "openvino/gate.bin",
        "openvino/gate.xml",
        "openvino/segmenter.bin",
        "openvino/segmenter.xml",
        "split.csv",
    }
    assert set(bundle.manifest.versions) >= {"keras", "tensorflow", "openvino", "steeldefect"}
    batch = np.stack([prepare(PICTURE, SPEC)] * 3)
    for name, model in models.named().items():
        options = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, batch_size=2)
        answer = open_runtime(bundle, name, options).predict(batch)
        assert answer.shape == model(batch).shape
        assert np.abs(answer - model(batch).numpy()).max() < 1e-4


def test_models_are_saved_without_their_optimizer(
    models: Models, tmp_path: Path, draft: Draft
) -> None:
    gate = small_gate(SHAPE)
    gate.compile(optimizer="adam", loss="mse")
    gate.fit(np.zeros((2, *SHAPE)), np.zeros((2, 1)), verbose=0)
    bundle = write_bundle(tmp_path / "b", Models(gate, models.segmenter), draft())
    path = bundle.model_path(ModelName.GATE, ModelForm.KERAS)
    loaded = keras.saving.load_model(path)
    assert not loaded.compiled
    assert path.stat().st_size < 1.5 * 4 * gate.count_params() + 100_000


def test_scores_are_measured_on_the_exported_models(
    models: Models, tmp_path: Path, draft: Draft
) -> None:
    score = Score(scope="overall", name="mean_dice", value=0.5, support=1)

    def measure(detector: Detector) -> list[Score]:
        assert len(detector.segment([detector.prepare(PICTURE)])) == 1
        return [score]

    bundle = write_bundle(tmp_path / "b", models, draft(), measure=measure)
    assert bundle.manifest.held_out_scores == [score]


def test_a_bundle_without_a_gate(models: Models, tmp_path: Path, draft: Draft) -> None:
    bundle = write_bundle(tmp_path / "b", Models(None, models.segmenter), draft(gate=False))
    assert bundle.models == (ModelName.SEGMENTER,)
    assert not (bundle.folder / "keras" / "gate.keras").exists()


def test_what_exists_is_never_touched(models: Models, tmp_path: Path, draft: Draft) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(AlreadyExistsError, match="immutable"):
        write_bundle(tmp_path / "b", models, draft())
    assert list((tmp_path / "b").iterdir()) == []


def test_nothing_is_left_behind_on_failure(models: Models, tmp_path: Path, draft: Draft) -> None:
    def fail(detector: Detector) -> list[Score]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "b", models, draft(), measure=fail)
    assert list(tmp_path.iterdir()) == []


def test_models_have_to_match_the_manifest(models: Models, tmp_path: Path, draft: Draft) -> None:
    wide = Segmenter(input=SPEC.model_copy(update={"width": 96}))
    refused = [
        (draft(gate=False), "a gate just where"),
        (draft(classes=3), "3 classes, but 2 maps"),
        (draft().model_copy(update={"segmenter": wide}), r"manifest says input \(None, 32, 96, 1"),
    ]
    for manifest, message in refused:
        with pytest.raises(BundleError, match=message):
            write_bundle(tmp_path / "b", models, manifest)
    assert list(tmp_path.iterdir()) == []


def test_forms_that_disagree_are_refused(
    models: Models, tmp_path: Path, draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(BundleError, match="differs from Keras by"):
        write_bundle(tmp_path / "b", models, draft())
