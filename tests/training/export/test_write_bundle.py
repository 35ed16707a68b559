"""Bundles from models: accepted by scoring, equal in all forms, all or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steeldefect.bundle.files import ModelForm, ModelName, open_bundle
from steeldefect.bundle.manifest import Compiled, CpuPrecision, Manifest, Score, Segmenter
from steeldefect.detection.open_detector import open_detector
from steeldefect.detection.outline import Outline
from steeldefect.detection.selftest import check_selftest
from steeldefect.errors import AlreadyExistsError, BundleError
from steeldefect.pictures.preprocessing import InputSpec, Scaling, prepare
from steeldefect.runtimes import (
    Precision,
    RuntimeChoice,
    RuntimeOptions,
    choose_engine,
    open_runtime,
)
from training.backend import keras
from training.export import agreement
from training.export.agreement import check_agreement
from training.export.seal import seal
from training.export.staging import Models, staging
from training.export.write_bundle import write_bundle
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
    written = write_bundle(tmp_path / "b", models, draft())
    bundle = open_bundle(tmp_path / "b")
    assert bundle.digest == written.digest
    assert set(bundle.manifest.files) == {
        "keras/gate.keras",
        "keras/segmenter.keras",
        "openvino/gate.bin",
        "openvino/gate.xml",
        "openvino/segmenter.bin",
        "openvino/segmenter.xml",
        "selftest.json",
    }
    assert set(bundle.manifest.versions) >= {"keras", "tensorflow", "openvino", "steeldefect"}
    batch = np.stack([prepare(PICTURE, SPEC)] * 3)
    for name, model in models.named().items():
        options = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, batch_size=2)
        answer = open_runtime(
            bundle, name, choose_engine(options, bundle.manifest.compiled)
        ).predict(batch)
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


def test_a_bundle_in_steps(models: Models, tmp_path: Path, draft: Draft) -> None:
    score = Score(scope="overall", name="mean_dice", value=0.5, support=1)
    compiled = Compiled(default=CpuPrecision.INT8, reason="by hand", forms=[])

    target = tmp_path / "b"
    with staging(target, models, draft()) as staged:
        check_agreement(staged, [PICTURE])
        assert CpuPrecision.INT8 not in staged.precisions
        staged.quantise([PICTURE, PICTURE[::-1]])
        detectors = [staged.keras_detector(staged.draft)]
        detectors += [staged.detector(staged.draft, one) for one in staged.precisions]
        maps = [one.maps([one.prepare(PICTURE)]) for one in detectors]
        assert all(np.abs(one - maps[0]).max() < 0.1 for one in maps)
        assert np.abs(maps[1] - maps[0]).max() < 1e-4
        assert np.abs(maps[-1] - maps[0]).max() > 1e-5, "int8 is no copy of f32"
        assert not target.exists()
        changed = {"held_out_scores": [score], "compiled": compiled}
        attachments = {"held_out.csv": "ImageId\n", "split.csv": ""}
        bundle = seal(staged, target, staged.draft.model_copy(update=changed), attachments)
    assert list(tmp_path.iterdir()) == [target]
    assert bundle.digest == open_bundle(target).digest
    assert bundle.manifest.held_out_scores == [score]
    assert bundle.manifest.compiled == compiled
    assert {"held_out.csv", "split.csv", "openvino_int8/gate.xml"} <= set(bundle.manifest.files)
    check_selftest(bundle)
    sizes = [
        bundle.model_path(ModelName.SEGMENTER, form).with_suffix(".bin").stat().st_size
        for form in (ModelForm.OPENVINO, ModelForm.OPENVINO_INT8)
    ]
    assert sizes[1] < 0.5 * sizes[0]
    options = RuntimeOptions(precision=Precision.INT8, threads=0)
    detector = open_detector(bundle, options)
    prepared = [detector.prepare(PICTURE)]
    assert isinstance(detector.segment(prepared, detector.gate(prepared))[0], Outline)


def test_a_model_that_cannot_be_quantised_leaves_no_int8_form(
    models: Models, tmp_path: Path, draft: Draft
) -> None:
    with staging(tmp_path / "b", models, draft()) as staged:
        with pytest.raises(BundleError, match="the gate cannot be quantised: "):
            staged.quantise([])  # no picture, no ranges
        assert CpuPrecision.INT8 not in staged.precisions
        bundle = seal(staged, tmp_path / "b", staged.draft)
    assert not bundle.has(ModelForm.OPENVINO_INT8)


def test_a_default_without_its_form_is_refused(
    models: Models, tmp_path: Path, draft: Draft
) -> None:
    compiled = Compiled(default=CpuPrecision.INT8, reason="by hand", forms=[])
    manifest = draft().model_copy(update={"compiled": compiled})
    with pytest.raises(BundleError, match="it has no openvino_int8/gate"):
        write_bundle(tmp_path / "b", models, manifest)
    assert list(tmp_path.iterdir()) == []


def test_a_model_for_any_size_is_compiled_for_the_manifests(
    models: Models, tmp_path: Path, draft: Draft
) -> None:
    inputs = keras.Input((None, None, 1))
    maps = keras.layers.Conv2D(2, 3, padding="same", activation="sigmoid")(inputs)
    bundle = write_bundle(tmp_path / "b", Models(None, keras.Model(inputs, maps)), draft(False))
    runtime = open_runtime(
        bundle,
        ModelName.SEGMENTER,
        choose_engine(RuntimeOptions(threads=0), bundle.manifest.compiled),
    )
    assert runtime.predict(np.zeros((3, *SHAPE), dtype=np.float32)).shape == (3, 32, 64, 2)


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
    def fail() -> None:
        with staging(tmp_path / "b", models, draft()) as staged:
            assert list(tmp_path.iterdir()) == [staged.folder]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_models_have_to_match_the_manifest(models: Models, tmp_path: Path, draft: Draft) -> None:
    wide = Segmenter(input=SPEC.model_copy(update={"width": 96}))
    refused = [
        (draft(gate=False), "gate only in the models"),
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
    monkeypatch.setattr(agreement, "TOLERANCE", -1.0)
    with pytest.raises(BundleError, match="differs from Keras by"):
        write_bundle(tmp_path / "b", models, draft())
