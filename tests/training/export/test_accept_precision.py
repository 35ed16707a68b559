"""Compiled forms against Keras: what is measured, and which form becomes the default."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.evidence import compiled_by_evidence

from steeldefect.bundle.manifest import CpuPrecision, Manifest
from steeldefect.detection.open_detector import open_detector
from steeldefect.detection.selftest import check_selftest
from steeldefect.pictures.preprocessing import Gray
from steeldefect.runtimes import Precision, RuntimeOptions, choose_engine, cpu_precisions
from training.backend import keras
from training.data.dataset import DataSet, LabelledPicture, read_dataset
from training.evaluation.run_detector import run_detector
from training.export import staging
from training.export.accept_precision import accept_precision, evenly_chosen, with_default
from training.export.seal import seal
from training.export.staging import Models, Staged
from training.export.time_forms import this_cpu
from training.models.small import small_gate, small_unet
from training.recipe import Compile

F32, BF16, INT8 = CpuPrecision
EVERYTHING, NO_BF16 = frozenset(CpuPrecision), frozenset({F32, INT8})
SHAPE = (32, 64, 1)
FEW = Compile(max_dice_drop=0.005, max_recall_drop=0.002)
TIMES = {F32: (40.0, 40.0), BF16: (10.0, 10.0), INT8: (5.0, 5.0)}

Draft = Callable[..., Manifest]


@pytest.mark.parametrize(
    ("refused", "served", "default", "gate"),
    [
        ([], EVERYTHING, INT8, None),
        ([("segmenter", INT8)], EVERYTHING, BF16, INT8),
        ([("segmenter", INT8), ("gate", INT8)], EVERYTHING, BF16, None),
        ([], NO_BF16, INT8, None),
        ([("segmenter", INT8), ("gate", INT8)], NO_BF16, F32, None),
    ],
)
def test_the_default_is_what_scoring_would_choose_here(
    refused: list[tuple[str, CpuPrecision]],
    served: frozenset[CpuPrecision],
    default: CpuPrecision,
    gate: CpuPrecision | None,
) -> None:
    measured = {one: TIMES[one] for one in served}
    missing = {} if BF16 in served else {BF16: "no instructions"}
    compiled = with_default(
        compiled_by_evidence(measured, dict.fromkeys(refused, "it is worse")), missing, served
    )
    assert (compiled.default, compiled.gate_default) == (default, gate)
    engine = choose_engine(RuntimeOptions(precision=Precision.AUTO), compiled, served)
    assert engine.precisions == compiled.default_name
    assert compiled.reason.startswith(f"{compiled.default_name} by the bundle's evidence")
    assert ("bf16 is missing: no instructions" in compiled.reason) is (BF16 not in served)


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
    rule = Compile(int8_pictures=6, max_dice_drop=1, max_recall_drop=1)
    plain = draft()
    classes = [one.model_copy(update={"pixel_threshold": 0.3}) for one in plain.classes]
    manifest = plain.model_copy(update={"classes": classes})  # untrained models find something
    with staging.staging(tmp_path / "b", models, manifest) as staged:
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
    for form in compiled.forms:
        gate, segmenter = form.evidence
        groups = (gate.groups, segmenter.groups)
        assert groups == (sum(one.defective for one in learnt.pictures[:12]),) * 2
        assert gate.milliseconds > 0
        assert segmenter.milliseconds > 0
    exact = measured[F32].segmenter
    assert exact is not None
    assert exact.admitted
    assert exact.mask_dice == pytest.approx(1, abs=1e-3)
    rounded = measured[INT8].segmenter
    assert rounded is not None
    assert not rounded.admitted
    assert "groups of validation pictures with a true mask are too few" in rounded.why_not
    assert compiled.passing_share is not None
    assert 0 < compiled.passing_share <= 1
    assert compiled.cpu == this_cpu()
    assert INT8 not in {compiled.default, compiled.gate_default}
    check_selftest(bundle)
    shown = capsys.readouterr()
    assert all(line.startswith("compiled: ") for line in shown.err.splitlines())
    assert shown.out == ""
    for precision in (Precision.AUTO, Precision.INT8):
        detector = open_detector(bundle, RuntimeOptions(precision=precision, threads=0))
        assert len(run_detector(detector, learnt.pictures[:3])) == 3


def test_without_pictures_for_int8_there_is_no_such_form(
    models: Models, learnt: DataSet, tmp_path: Path, draft: Draft
) -> None:
    staged = Staged(tmp_path, models, draft())
    rule = Compile(int8_pictures=0)
    compiled = accept_precision(staged, draft(), learnt.pictures[20:], learnt.pictures[:12], rule)
    assert "int8 is missing: compile.int8_pictures is 0" in compiled.reason
    assert INT8 not in {one.precision for one in compiled.forms}
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
    compiled = accept_precision(staged, draft(), learnt.pictures[20:], learnt.pictures[:12], FEW)
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
    assert {one.gate for one in compiled.forms} == {None}
    assert compiled.passing_share == 1
    assert not (tmp_path / "openvino_int8/gate.xml").exists()
