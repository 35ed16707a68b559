"""Compiled forms against Keras: what is measured, and which form becomes the default."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steeldefect.bundle.manifest import CompiledForm, CpuPrecision, Manifest
from steeldefect.detection.open_detector import open_detector
from steeldefect.detection.selftest import check_selftest
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Gray
from steeldefect.runtimes import Precision, RuntimeOptions, cpu_precisions
from training.backend import keras
from training.data.dataset import DataSet, LabelledPicture, read_dataset
from training.export import staging
from training.export.accept_precision import accept_precision, choose, evenly_chosen
from training.export.compare_forms import run_form
from training.export.seal import seal
from training.export.staging import Models, Staged
from training.models.small import small_gate, small_unet
from training.recipe import Compile

F32, BF16, INT8 = CpuPrecision
SHAPE = (32, 64, 1)
RULE = Compile(max_dice_drop=0.005, max_recall_drop=0.002)

Draft = Callable[..., Manifest]


def form(precision: CpuPrecision, dice: float | None, recall: float | None = 0.0) -> CompiledForm:
    """Return a measured form with these drops."""
    return CompiledForm(
        precision=precision,
        pictures=30,
        gate_difference=0.01,
        segmenter_pixels=0.001,
        positives_dice_drop=dice,
        gate_recall_drop=recall,
    )


@pytest.mark.parametrize(
    ("int8", "bf16", "expected"),
    [
        (form(INT8, 0.0), form(BF16, 0.0), INT8),
        (form(INT8, 0.005, 0.002), form(BF16, 0.0), INT8),  # just as much as is allowed
        (form(INT8, -0.01, -0.01), form(BF16, 0.0), INT8),  # better than Keras
        (form(INT8, 0.0, None), None, INT8),  # no gate
        (form(INT8, 0.0051), form(BF16, 0.005), BF16),
        (form(INT8, 0.0, 0.0021), form(BF16, 0.0), BF16),
        (form(INT8, None), form(BF16, 0.0), BF16),  # not known is not proven
        (None, form(BF16, 0.0), BF16),
        (form(INT8, 0.1), form(BF16, 0.1), F32),
        (form(INT8, 0.1), form(BF16, 0.0, 0.1), F32),
        (form(INT8, 0.1), None, F32),
        (None, None, F32),
    ],
)
def test_the_fastest_form_that_loses_little_is_the_default(
    int8: CompiledForm | None, bf16: CompiledForm | None, expected: CpuPrecision
) -> None:
    forms = [form(F32, 0.0)] + [one for one in (bf16, int8) if one is not None]
    missing = {BF16: "no instructions"} if bf16 is None else {}
    missing |= {INT8: "int8_pictures is 0"} if int8 is None else {}
    default, reason = choose(forms, missing, RULE)
    assert default is expected
    assert reason.startswith(f"{expected.value} is the default")
    assert all(why in reason for precision, why in missing.items() if expected is not INT8)


def test_the_reason_gives_the_figures() -> None:
    assert choose([form(F32, 0.0), form(INT8, 0.0012)], {}, RULE)[1] == (
        "int8 is the default: against Keras on 30 validation pictures positives-only Dice changes "
        "by -0.0012 (allowed: -0.0050) and gate recall changes by +0.0000 (allowed: -0.0020)"
    )
    forms = [form(F32, 0.0), form(BF16, -0.0001, None), form(INT8, 0.012)]
    assert choose(forms, {}, RULE)[1] == (
        "bf16 is the default: against Keras on 30 validation pictures positives-only Dice changes "
        "by +0.0001 (allowed: -0.0050); int8 loses too much: against "
        "Keras on 30 validation pictures positives-only Dice changes by -0.0120 (allowed: -0.0050) "
        "and gate recall changes by +0.0000 (allowed: -0.0020)"
    )


def picture(number: int, defective: bool) -> LabelledPicture:
    """Return a picture that is never read."""
    return LabelledPicture(f"{number}", Path("none"), (1, 1), defective, {}, f"{number}")


def test_pictures_for_int8_are_spread_over_both_kinds() -> None:
    pictures = [picture(number, number % 4 == 0) for number in range(40)]
    chosen = evenly_chosen(pictures, 8)
    assert [one.defective for one in chosen] == [True] * 2 + [False] * 6
    assert len({one.name for one in chosen}) == 8
    assert chosen == evenly_chosen(pictures, 8)
    assert sorted(one.name for one in evenly_chosen(pictures, 99)) == sorted(
        one.name for one in pictures
    )


@pytest.fixture(scope="module")
def learnt(learnable: Path) -> DataSet:
    return read_dataset(learnable)


@pytest.fixture(scope="module")
def models() -> Models:
    keras.utils.set_random_seed(0)
    return Models(small_gate(SHAPE), small_unet(SHAPE, classes=2))


def test_a_bundle_proves_its_forms(
    models: Models,
    learnt: DataSet,
    tmp_path: Path,
    draft: Draft,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rule = Compile(int8_pictures=6)
    with staging.staging(tmp_path / "b", models, draft()) as staged:
        compiled = accept_precision(
            staged, staged.draft, learnt.pictures[20:], learnt.pictures[:12], rule
        )
        manifest = staged.draft.model_copy(update={"compiled": compiled})
        bundle = seal(staged, tmp_path / "b", manifest)
    runnable = {F32, INT8} | ({BF16} if BF16 in cpu_precisions() else set())
    measured = {one.precision: one for one in compiled.forms}
    assert set(measured) == runnable
    assert all(one.pictures == 12 for one in compiled.forms)
    assert measured[F32].gate_difference is not None
    assert measured[F32].gate_difference < 1e-4
    assert measured[F32].segmenter_pixels < 1e-3
    assert measured[F32].positives_dice_drop == pytest.approx(0, abs=1e-3)
    assert (compiled.default, compiled.reason) == choose(compiled.forms, {}, RULE)
    check_selftest(bundle)
    shown = capsys.readouterr()
    assert all(line.startswith("compiled: ") for line in shown.err.splitlines())
    assert shown.out == ""
    for precision in (Precision.AUTO, Precision.INT8):
        detector = open_detector(bundle, RuntimeOptions(precision=precision, threads=0))
        assert len(run_form(detector, learnt.pictures[:3]).masks) == 3


def test_results_are_scored_against_the_truth(
    models: Models, learnt: DataSet, tmp_path: Path, draft: Draft
) -> None:
    staged = Staged(tmp_path, models, draft())
    found = run_form(staged.keras_detector(draft()), learnt.pictures[:12])
    defective = np.array([one.defective for one in learnt.pictures[:12]])
    assert found.gate_recall == (found.probability[defective] >= 0.1).mean()
    expected = []
    for one, masks in zip(learnt.pictures[:12], found.masks, strict=True):
        for class_id, truth in one.runs.items():
            runs = masks.get(class_id, run_lengths.parse(""))
            expected.append(
                2
                * run_lengths.overlap(truth, runs)
                / (run_lengths.area(truth) + run_lengths.area(runs))
            )
    assert found.positives_dice == pytest.approx(np.mean(expected))


def test_without_pictures_for_int8_there_is_no_such_form(
    models: Models, learnt: DataSet, tmp_path: Path, draft: Draft
) -> None:
    staged = Staged(tmp_path, models, draft())
    rule = Compile(int8_pictures=0)
    compiled = accept_precision(staged, draft(), learnt.pictures[20:], learnt.pictures[:12], rule)
    assert "int8 is missing: compile.int8_pictures is 0" in compiled.reason
    assert compiled.default is (BF16 if BF16 in cpu_precisions() else F32)
    assert INT8 not in staged.precisions


def test_a_model_that_cannot_be_quantised_is_no_reason_to_fail(
    models: Models,
    learnt: DataSet,
    tmp_path: Path,
    draft: Draft,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(source: Path, target: Path, pictures: list[Gray], spec: object) -> None:
        target.write_text("half written")
        raise ValueError("no such\noperation")

    monkeypatch.setattr(staging, "quantise", fail)
    staged = Staged(tmp_path, models, draft())
    compiled = accept_precision(staged, draft(), learnt.pictures[20:], learnt.pictures[:12], RULE)
    why = "int8 is missing: the gate cannot be quantised: ValueError: no such operation"
    assert why in compiled.reason
    assert not list(tmp_path.rglob("openvino_int8*"))


def test_a_bundle_without_a_gate_proves_its_segmenter(
    models: Models, learnt: DataSet, tmp_path: Path, draft: Draft
) -> None:
    staged = Staged(tmp_path, Models(None, models.segmenter), draft(False))
    rule = Compile(int8_pictures=4)
    compiled = accept_precision(
        staged, draft(False), learnt.pictures[20:], learnt.pictures[:12], rule
    )
    assert INT8 in staged.precisions
    assert {one.gate_difference for one in compiled.forms} == {None}
    assert {one.gate_recall_drop for one in compiled.forms} == {None}
    assert not (tmp_path / "openvino_int8/gate.xml").exists()
