"""Bundles with a shared gate: all forms agree, features carry over, and fits continue from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from support.random_models import awake

from steeldefect.bundle.files import Bundle, ModelForm, ModelName, open_bundle
from steeldefect.bundle.manifest import CpuPrecision, Manifest, Mirror
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector
from steeldefect.detection.selftest import check_selftest
from steeldefect.errors import BundleError, SettingsError
from steeldefect.pictures.preprocessing import Float32, Gray, InputSpec, prepare
from steeldefect.pictures.statistics import picture_statistics
from steeldefect.pictures.strip import Places, PlaceSettings
from steeldefect.runtimes import (
    Precision,
    RuntimeChoice,
    RuntimeOptions,
    cpu_precisions,
    open_runtimes,
)
from steeldefect.runtimes.shared import SharedGate
from steeldefect.scoring.bundle_scorer import BundleScorer, Measuring, Opened, Ready
from steeldefect.scoring.fetching import PictureKey
from steeldefect.stopwatch import Stopwatch
from steeldefect.tables.provenance import Origin
from training.backend import keras
from training.export.agreement import check_agreement
from training.export.seal import seal
from training.export.staging import Models, staging
from training.export.write_bundle import write_bundle
from training.models import build_gate, build_segmenter
from training.models.shared import in_two_parts
from training.models.small import small_unet
from training.recipe import Gate as GateSettings
from training.recipe import Segmenter as SegmenterSettings

CONTENT = {
    "input": {"height": 32, "width": 64, "channels": 1, "scaling": "standard"},
    "epochs": 1,
    "batch_size": 1,
    "optimizer": {"kind": "adam", "learning_rate": 0.001},
}
GATE = GateSettings.model_validate(
    {**CONTENT, "kind": "shared", "weights": "segmenter", "freeze_base": True}
)
SEGMENTER = SegmenterSettings.model_validate({**CONTENT, "kind": "unet", "loss": "bce_dice"})
DraftOf = Callable[..., Manifest]


def shared(manifest: Manifest) -> Manifest:
    """Return the draft with a shared gate."""
    content = manifest.model_dump() | {"format_version": 4}
    content["gate"] |= {"shared": True, "threshold": 0.3}
    return Manifest.model_validate(content)


@pytest.fixture(scope="module")
def whole() -> keras.Model:
    keras.utils.set_random_seed(0)
    return awake(build_segmenter(SEGMENTER, 2)[0])


@pytest.fixture(scope="module")
def models(whole: keras.Model) -> Models:
    gate = awake(build_gate(GATE, whole)[0])
    return Models(*in_two_parts(gate, whole, GATE))


@pytest.fixture(scope="module")
def pictures() -> list[Gray]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (32, 64), dtype=np.uint8) for _ in range(7)]


@pytest.fixture(scope="module")
def bundle(
    models: Models,
    pictures: list[Gray],
    tmp_path_factory: pytest.TempPathFactory,
    draft: DraftOf,
) -> Bundle:
    manifest, target = shared(draft()), tmp_path_factory.mktemp("shared") / "b"
    with staging(target, models, manifest) as staged:
        staged.quantise(pictures)
        check_agreement(staged, pictures)
        return seal(staged, target, manifest)


def opened(bundle: Bundle, **options: object) -> Detector:
    stated = RuntimeOptions(
        runtime=RuntimeChoice.OPENVINO, precision=Precision.F32, threads=0, batch_size=2
    )
    return open_detector(bundle, replace(stated, **options))  # type: ignore[arg-type]


def test_it_is_complete_and_proves_itself(bundle: Bundle) -> None:
    again = open_bundle(bundle.folder)
    assert again.manifest.format_version == 4
    assert again.manifest.gate is not None
    assert again.manifest.gate.shared
    names = [model.value for model in (ModelName.GATE, ModelName.SEGMENTER)]
    assert {f"openvino_int8/{name}.xml" for name in names} <= set(again.manifest.files)
    check_selftest(again)


@pytest.mark.parametrize("runtime", [RuntimeChoice.OPENVINO, RuntimeChoice.TENSORFLOW])
def test_both_runtimes_answer_as_the_whole_network(
    bundle: Bundle, whole: keras.Model, pictures: list[Gray], runtime: RuntimeChoice
) -> None:
    detector = opened(bundle, runtime=runtime)
    prepared = [detector.prepare(picture) for picture in pictures]
    probabilities = detector.gate(prepared)
    assert np.ptp(probabilities) > 1e-3
    spec = bundle.manifest.segmenter.input
    expected = np.asarray(whole(np.stack([prepare(one, spec) for one in pictures])))
    assert np.ptp(expected, axis=0).max() > 0.01, "the answer depends on the picture"
    np.testing.assert_allclose(detector.maps(prepared), expected, atol=1e-4)
    some = [prepared[number] for number in (5, 1, 6)]
    np.testing.assert_allclose(detector.maps(some), expected[[5, 1, 6]], atol=1e-4)


def test_the_segmenter_goes_on_from_the_gates_features(
    bundle: Bundle, pictures: list[Gray], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = opened(bundle)
    prepared = [detector.prepare(picture) for picture in pictures]
    expected = detector.maps(prepared)
    detector.gate(prepared[:4])
    runs = []
    answer = SharedGate.answer

    def counted(gate: SharedGate, pictures: list[Gray], spec: InputSpec) -> Float32:
        runs.append(len(pictures))
        return answer(gate, pictures, spec)

    monkeypatch.setattr(SharedGate, "answer", counted)
    found = detector.maps([prepared[2], prepared[0]])
    assert not runs
    np.testing.assert_array_equal(found, expected[[2, 0]])
    found = detector.maps([prepared[6], prepared[1]])
    assert runs, "the gate has not seen the first of these; it replaces the second"
    np.testing.assert_array_equal(found, expected[[6, 1]])


@pytest.mark.parametrize("precision", [Precision.BF16, Precision.INT8])
def test_fast_forms_carry_features_over(
    bundle: Bundle, pictures: list[Gray], precision: Precision
) -> None:
    if precision is Precision.BF16 and CpuPrecision.BF16 not in cpu_precisions():
        pytest.skip("this CPU has no instructions for bf16")
    exact, fast = opened(bundle), opened(bundle, precision=precision)
    prepared = [exact.prepare(picture) for picture in pictures]
    alone = fast.maps(prepared)
    fast.gate(prepared)
    np.testing.assert_allclose(fast.maps(prepared), alone, atol=0.02)  # bf16 rounds by the batch
    expected = exact.maps(prepared)
    assert np.sqrt(np.mean((alone - expected) ** 2)) < 0.1
    assert np.corrcoef(alone.ravel(), expected.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("precision", [Precision.BF16, Precision.INT8])
def test_the_gate_may_be_more_exact_than_the_segmenter(
    bundle: Bundle, pictures: list[Gray], precision: Precision
) -> None:
    if CpuPrecision.BF16 not in cpu_precisions():
        pytest.skip("this CPU has no instructions for bf16")
    exact = opened(bundle)
    engine = replace(exact.engine, precision=precision, gate_precision=Precision.F32)
    runtimes = open_runtimes(bundle, engine)
    mixed = Detector(bundle.manifest, runtimes[ModelName.GATE], runtimes[ModelName.SEGMENTER])
    prepared = [exact.prepare(picture) for picture in pictures]
    np.testing.assert_array_equal(mixed.gate(prepared), exact.gate(prepared))
    maps, expected = mixed.maps(prepared), exact.maps(prepared)
    assert (maps != expected).any()
    assert np.sqrt(np.mean((maps - expected) ** 2)) < 0.1
    assert mixed.engine.precisions == f"f32+{precision.value}"


def test_a_task_finds_what_the_detector_finds(
    bundle: Bundle, pictures: list[Gray], tmp_path: Path
) -> None:
    middle = float(
        np.median(opened(bundle).gate([opened(bundle).prepare(one) for one in pictures]))
    )
    detector = opened(with_threshold(bundle, middle))
    scorer = BundleScorer(
        Opened(detector, Origin("run", bundle.digest, datetime.now(UTC))),
        "file:///pictures",
        3,
        Measuring(),
        Stopwatch(),
    )
    prepared = [detector.prepare(picture) for picture in pictures]
    probabilities = detector.gate(prepared)
    passes = detector.passes(probabilities)
    assert 0 < passes.sum() < len(pictures)
    expected = detector.maps(prepared)[passes]
    ready = [
        Ready(
            PictureKey(f"{number}.png", "", 0),
            picture_statistics(picture),
            Places(PlaceSettings()).of(f"{number}.png", None),
            one,
        )
        for number, (picture, one) in enumerate(zip(pictures, prepared, strict=True))
    ]
    found = [
        one.kept().maps
        for start in range(0, len(ready), scorer.batch_size)
        for one in scorer.feed(ready[start : start + scorer.batch_size])
    ]
    assert not list(scorer.flush()), "no picture waits"
    np.testing.assert_array_equal(np.stack(found), expected)  # type: ignore[arg-type]


def with_threshold(bundle: Bundle, threshold: float) -> Bundle:
    assert bundle.manifest.gate is not None
    gate = bundle.manifest.gate.model_copy(update={"threshold": threshold})
    manifest = bundle.manifest.model_copy(update={"gate": gate})
    return replace(bundle, manifest=manifest)


def test_mirrored_copies_are_seen_by_both_parts(
    models: Models, pictures: list[Gray], tmp_path: Path, draft: DraftOf
) -> None:
    manifest = shared(draft())
    settings = manifest.segmenter.model_copy(update={"mirrors": [Mirror.HORIZONTAL]})
    mirrored = manifest.model_copy(update={"segmenter": settings})
    detector = opened(write_bundle(tmp_path / "m", models, mirrored))
    plain = opened(write_bundle(tmp_path / "p", models, manifest))
    prepared = [detector.prepare(picture) for picture in pictures]
    turned = [detector.prepare(np.ascontiguousarray(picture[:, ::-1])) for picture in pictures]
    expected = (plain.maps(prepared) + plain.maps(turned)[:, :, ::-1]) / 2
    detector.gate(prepared)
    found = detector.maps(prepared)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_fit_continues_from_the_whole_segmenter(bundle: Bundle, whole: keras.Model) -> None:
    settings = SEGMENTER.model_copy(update={"weights": str(bundle.folder)})
    model, loaded = build_segmenter(settings, 2)
    assert "began with the weights of bundle" in (loaded.note or "")
    for found, expected in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    other = settings.model_copy(update={"kind": "resunet"})
    with pytest.raises(SettingsError, match="the bundle's segmenter is a unet"):
        build_segmenter(other, 2)


def test_models_that_do_not_fit_together_are_refused(
    models: Models, tmp_path: Path, draft: DraftOf
) -> None:
    wrong = Models(models.gate, small_unet((32, 64, 1), 2))
    with (
        pytest.raises(BundleError, match="the shared gate gives"),
        staging(tmp_path / "b", wrong, shared(draft())),
    ):
        pass


def test_the_manifest_says_so_only_if_it_is_shared(draft: DraftOf) -> None:
    plain = draft()
    assert plain.format_version == 3
    assert '"shared"' not in plain.model_dump_json()
    manifest = shared(plain)
    assert '"shared":true' in manifest.model_dump_json()
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
    with pytest.raises(ValueError, match="a shared gate needs format 4"):
        Manifest.model_validate(manifest.model_dump() | {"format_version": 3})
    content = manifest.model_dump()
    content["gate"]["input"]["height"] = 64
    with pytest.raises(ValueError, match="needs the input of the segmenter"):
        Manifest.model_validate(content)


def test_forms_are_those_of_two_models(bundle: Bundle) -> None:
    for form in (ModelForm.KERAS, ModelForm.OPENVINO, ModelForm.OPENVINO_INT8):
        bundle.require([form])
    sizes = {
        name: bundle.model_path(name, ModelForm.KERAS).stat().st_size for name in bundle.models
    }
    assert sizes[ModelName.SEGMENTER] < sizes[ModelName.GATE] / 3
