"""The self-test of a bundle: it passes if nothing changed, and names the form that differs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from steeldefect.bundle.files import Bundle, ModelName, open_bundle
from steeldefect.bundle.manifest import CpuPrecision, PictureSizes
from steeldefect.detection.selftest import (
    SELFTEST_NAME,
    SelfTest,
    check_selftest,
    make_pictures,
    write_selftest,
)
from steeldefect.errors import BundleError
from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes import (
    DeviceChoice,
    Engine,
    Precision,
    Runtime,
    RuntimeChoice,
    cpu_precisions,
)


@pytest.fixture
def copied(int8_bundle: Bundle, tmp_path: Path) -> Bundle:
    """A copy of the bundle, to be changed; its hashes are checked elsewhere."""
    folder = Path(shutil.copytree(int8_bundle.folder, tmp_path / "copied"))
    return replace(int8_bundle, folder=folder)


class Constant(Runtime):
    """A model that answers one number."""

    engine = Engine(RuntimeChoice.OPENVINO, DeviceChoice.CPU, Precision.F32, batch_size=4)

    def __init__(self, value: float, maps: bool) -> None:
        self._value = value
        self._maps = maps

    def predict(self, batch: Float32) -> Float32:
        shape = (*batch.shape[:3], 2) if self._maps else (len(batch), 1)
        return np.full(shape, self._value, dtype=np.float32)


def constant(value: float) -> dict[ModelName, Constant]:
    """Both models of a bundle."""
    return {name: Constant(value, name is ModelName.SEGMENTER) for name in ModelName}


def test_bundles_pass_their_own_test(rule_bundle: Bundle, int8_bundle: Bundle) -> None:
    for bundle in (rule_bundle, int8_bundle):
        check_selftest(open_bundle(bundle.folder))


def test_what_is_stored(int8_bundle: Bundle) -> None:
    path = int8_bundle.folder / SELFTEST_NAME
    assert path.stat().st_size < 100_000
    test = SelfTest.model_validate_json(path.read_bytes())
    assert [len(one) for one in test.answers[ModelName.GATE]] == [1] * test.pictures
    cells_and_centres = 2 * 4 * 8 * len(int8_bundle.manifest.classes)
    assert [len(one) for one in test.answers[ModelName.SEGMENTER]] == (
        [cells_and_centres] * test.pictures
    )
    runnable = cpu_precisions() | {CpuPrecision.F32, CpuPrecision.INT8}
    assert set(test.tolerances) == runnable
    assert set(test.tolerances[CpuPrecision.F32].values()) == {1e-3}
    assert all(0 < one < 0.2 for forms in test.tolerances.values() for one in forms.values())


@pytest.mark.parametrize("model", list(ModelName))
@pytest.mark.parametrize(("form", "precision"), [("openvino", "f32"), ("openvino_int8", "int8")])
def test_other_weights_in_one_form_are_found(
    copied: Bundle, model: ModelName, form: str, precision: str
) -> None:
    weights = copied.folder / form / f"{model.value}.bin"
    values = np.frombuffer(weights.read_bytes(), dtype=np.float32).copy()
    values[np.isin(values, (80, -80, 20))] *= -1
    weights.write_bytes(values.tobytes())
    message = f"the {model.value}'s {precision} form differs from Keras by"
    with pytest.raises(BundleError, match=message):
        check_selftest(copied)


def test_a_form_that_cannot_be_opened_is_named(copied: Bundle) -> None:
    (copied.folder / "openvino/gate.bin").write_bytes(b"")
    with pytest.raises(BundleError, match="the gate's f32 form cannot be run: ") as caught:
        check_selftest(copied)
    assert "\n" not in str(caught.value)


def test_swapped_models_are_found(copied: Bundle) -> None:
    for suffix in ("xml", "bin"):
        shutil.copy(
            copied.folder / "openvino" / f"gate.{suffix}",
            copied.folder / "openvino" / f"segmenter.{suffix}",
        )
    with pytest.raises(BundleError, match="the segmenter's f32 form differs from Keras by inf"):
        check_selftest(copied)


def test_a_bundle_without_a_test_says_so(copied: Bundle) -> None:
    (copied.folder / SELFTEST_NAME).unlink()
    with pytest.raises(BundleError, match=r"it has no selftest\.json; export it again"):
        check_selftest(copied)


def test_a_test_that_is_none_is_refused(copied: Bundle) -> None:
    (copied.folder / SELFTEST_NAME).write_text("{}")
    with pytest.raises(BundleError, match=r"selftest\.json: Field required"):
        check_selftest(copied)


@pytest.mark.parametrize("answer", [0.502, float("nan")])
def test_f32_that_differs_is_refused_at_export(
    rule_bundle: Bundle, tmp_path: Path, answer: float
) -> None:
    compiled = {CpuPrecision.F32: constant(answer)}
    with pytest.raises(BundleError, match="the gate's f32 form differs from Keras by"):
        write_selftest(tmp_path, rule_bundle.manifest, constant(0.5), compiled)


def test_rough_forms_are_allowed_what_they_needed_at_export(
    rule_bundle: Bundle, tmp_path: Path
) -> None:
    compiled = {CpuPrecision.BF16: constant(0.501), CpuPrecision.INT8: constant(0.6)}
    write_selftest(tmp_path, rule_bundle.manifest, constant(0.5), compiled)
    test = SelfTest.model_validate_json((tmp_path / SELFTEST_NAME).read_bytes())
    for name in ModelName:
        assert test.tolerances[CpuPrecision.BF16][name] == 0.005
        assert test.tolerances[CpuPrecision.INT8][name] == pytest.approx(0.3)


def test_pictures_are_the_same_for_ever(rule_bundle: Bundle) -> None:
    pictures = make_pictures(rule_bundle.manifest, seed=7, count=3)
    assert {(one.shape, one.dtype.name) for one in pictures} == {((64, 128), "uint8")}
    assert [int(one.sum()) for one in pictures] == [504327, 993061, 1432546]
    again = make_pictures(rule_bundle.manifest, seed=7, count=3)
    assert all(np.array_equal(one, other) for one, other in zip(pictures, again, strict=True))
    assert not np.array_equal(pictures[0], make_pictures(rule_bundle.manifest, 8, 3)[0])


@pytest.mark.parametrize("side", [1, 2, 3, 5, 300])
def test_pictures_of_any_size(rule_bundle: Bundle, side: int) -> None:
    sizes = PictureSizes(height=(side, 2 * side), width=(2 * side, 2 * side))
    manifest = rule_bundle.manifest.model_copy(update={"picture_sizes": sizes})
    assert all(one.shape == (side, 2 * side) for one in make_pictures(manifest, 0, 2))
