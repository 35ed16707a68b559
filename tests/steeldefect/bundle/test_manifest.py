"""`bundle.json`: its text form, what it refuses, and which picture sizes it admits."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from steeldefect.bundle.files import seal_bundle
from steeldefect.bundle.manifest import (
    BundleFile,
    Calibration,
    Compiled,
    CompiledForm,
    Cpu,
    CpuPrecision,
    DefectClass,
    Gate,
    GateMode,
    Manifest,
    Mirror,
    ModelEvidence,
    PictureSizes,
    Score,
    Segmenter,
    TrainingRecord,
)
from steeldefect.pictures.preprocessing import InputSpec, Interpolation, Scaling

GOLDEN = Path(__file__).parent / "golden/bundle.json"


def manifest() -> Manifest:
    """A manifest in which every field is set."""
    return Manifest(
        format_version=3,
        created_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        classes=[
            DefectClass(id=1, name="pitted", pixel_threshold=0.45, min_area=600),
            DefectClass(id=3, name="scratch"),
        ],
        gate=Gate(
            input=InputSpec(height=256, width=256, channels=3, scaling=Scaling.UNIT),
            threshold=0.01,
            mode=GateMode.SOFT,
            temperature=1.5,
            soft_area=2000,
        ),
        segmenter=Segmenter(
            input=InputSpec(
                height=128,
                width=800,
                channels=1,
                scaling=Scaling.STANDARD,
                interpolation=Interpolation.LINEAR,
            ),
            mirrors=[Mirror.HORIZONTAL],
        ),
        picture_sizes=PictureSizes(height=(256, 256), width=(1200, 1600)),
        metric_convention="Dice per (picture, class)",
        held_out_scores=[
            Score(scope="overall", name="mean_dice", value=0.875, support=40),
            Score(scope="class", class_id=3, name="iou", value=None, support=0),
        ],
        calibration=Calibration(
            pictures=20,
            defective=12,
            objective="mean_dice",
            target_recall=0.99,
            gate_recall=1.0,
            gate_recall_interval=(0.735, 1.0),
            gate_calibration_error=(0.12, 0.03),
            scores=[Score(scope="overall", name="mean_dice", value=0.9, support=80)],
        ),
        compiled=Compiled(
            default=CpuPrecision.F32,
            gate_default=CpuPrecision.BF16,
            reason="int8 loses 0.012 positives-only Dice, at most 0.005 is allowed",
            forms=[
                CompiledForm(
                    precision=CpuPrecision.BF16,
                    pictures=20,
                    gate_difference=0.004,
                    segmenter_pixels=0.0001,
                    positives_dice_drop=0.0002,
                    gate_recall_drop=0.0,
                    gate=ModelEvidence(
                        mask_dice=0.9975,
                        drop_interval=(-0.1, 0.1),
                        groups=12,
                        milliseconds=11.25,
                        admitted=True,
                    ),
                    segmenter=ModelEvidence(
                        mask_dice=0.97,
                        drop_interval=None,
                        groups=0,
                        milliseconds=12.5,
                        admitted=False,
                        why_not="its masks differ",
                    ),
                )
            ],
            passing_share=0.55,
            cpu=Cpu(name="Intel(R) Xeon(R) Processor", flags=["amx_bf16", "avx512_bf16"]),
        ),
        training=TrainingRecord(
            recipe_name="tutorial",
            recipe={"gate": {"epochs": 2}, "seed": 7, "mirror": True, "weights": None},
            seed=7,
            data_fingerprint="sha256:0123",
            pictures={"train": 100, "test": 20},
            notes=["a note: ä"],
            minutes=12.5,
        ),
        versions={"keras": "3.15.1", "python": "3.11.4"},
        files={"keras/gate.keras": BundleFile(sha256="0" * 64, size=123)},
    )


def test_the_text_form_is_the_golden_one(tmp_path: Path) -> None:
    seal_bundle(tmp_path, manifest())
    assert (tmp_path / "bundle.json").read_text(encoding="utf-8") == GOLDEN.read_text(
        encoding="utf-8"
    )


def test_the_format_before_is_still_read() -> None:
    before = Manifest.model_validate_json((GOLDEN.parent / "bundle_1.json").read_bytes())
    assert before.format_version == 1
    assert before.gate is not None
    assert (before.gate.mode, before.gate.temperature) == (GateMode.HARD, 1.0)
    assert (before.segmenter.mirrors, before.calibration, before.compiled) == ([], None, None)


def test_format_2_states_a_default_without_evidence() -> None:
    before = Manifest.model_validate_json((GOLDEN.parent / "bundle_2.json").read_bytes())
    assert before.format_version == 2
    compiled = before.compiled
    assert compiled is not None
    assert not compiled.has_evidence
    assert (compiled.default, compiled.default_name) == (CpuPrecision.BF16, "bf16")
    assert compiled.usable == {CpuPrecision.F32, CpuPrecision.BF16}
    (form,) = compiled.forms
    assert (form.precision, form.evidence, compiled.cpu) == (CpuPrecision.BF16, (), None)


def test_evidence_of_any_model_makes_a_form_usable() -> None:
    compiled = manifest().compiled
    assert compiled is not None
    assert compiled.has_evidence
    assert compiled.usable == {CpuPrecision.F32, CpuPrecision.BF16}
    assert compiled.default_name == "bf16+f32"


def test_the_golden_text_is_read_back_whole() -> None:
    assert Manifest.model_validate_json(GOLDEN.read_bytes()) == manifest()


def test_the_golden_file_names_every_field() -> None:
    stated = json.loads(GOLDEN.read_bytes())
    assert list(stated) == [name for name in Manifest.model_fields if name != "novelty"]


def novel() -> dict[str, Any]:
    """A manifest that judges novelty, as read from JSON."""
    content = json.loads(GOLDEN.read_bytes()) | {"format_version": 5}
    content["gate"] |= {"shared": True, "input": content["segmenter"]["input"]}
    unknown = {"id": 4, "name": "unknown", "pixel_threshold": 0.5, "min_area": 0}
    content["novelty"] = {
        "limit": 0.75,
        "unknown": unknown,
        "clean_pictures": 400,
        "false_alarms": 0.005,
    }
    return content


def test_the_unknown_follows_the_classes_that_were_learnt() -> None:
    made = Manifest.model_validate(novel())
    assert [one.id for one in made.classes] == [1, 3]
    assert [one.id for one in made.outlined_classes] == [1, 3, 4]
    assert Manifest.model_validate_json(made.model_dump_json()) == made
    alone = novel() | {"classes": [novel()["novelty"]["unknown"]]}
    assert [one.id for one in Manifest.model_validate(alone).outlined_classes] == [4]
    assert [one.id for one in manifest().outlined_classes] == [1, 3]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format_version": 4}, "novelty, .* need format 5"),
        ({"gate": None}, "novelty needs a shared gate"),
        ({"classes": [{"id": 4, "name": "pitted"}]}, "has the id of another class"),
    ],
)
def test_novelty_that_cannot_be_judged_is_refused(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Manifest.model_validate(novel() | change)


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (
            ("format_version",),
            8,
            "format 8, this version of steeldefect reads 1, 2, 3, 4, 5, 6 and 7",
        ),
        (("format_version",), 0, "format 0"),
        (("classes",), [], "at least 1 item"),
        (("classes", 1, "id"), 1, "two classes share an id"),
        (("classes", 0, "id"), 0, "greater than or equal to 1"),
        (("classes", 0, "name"), "", "at least 1 character"),
        (("classes", 0, "pixel_threshold"), 0, "greater than 0"),
        (("segmenter", "mirrors"), ["both", "both"], "named twice"),
        (("classes", 0, "pixel_threshold"), 1, "less than 1"),
        (("classes", 0, "min_area"), -1, "greater than or equal to 0"),
        (("gate", "threshold"), 1.1, "less than or equal to 1"),
        (("gate", "mode"), "mild", "should be 'hard' or 'soft'"),
        (("segmenter",), None, "valid dictionary"),
        (("segmenter", "input", "channels"), 4, "less than or equal to 3"),
        (("picture_sizes", "height"), [256], "Field required"),
        (("files", "keras/gate.keras", "sha256"), "0" * 63, "match pattern"),
        (("files", "keras/gate.keras", "size"), -1, "greater than or equal to 0"),
        (("files", "../outside"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "keras/../../x"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "/etc/passwd"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", ""), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "."), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "./a"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "a//b"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "a/"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "a/./b"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "a\\b"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "..\\b"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "C:/a"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "a\0b"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "a\nb"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "a\u202eb"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "bundle.json"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "bundle.sha256"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "keras"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("files", "keras/gate.keras/x"), {"sha256": "0" * 64, "size": 1}, "not a path inside"),
        (("compiled", "forms", 0, "gate", "milliseconds"), 0, "greater than 0"),
        (("surprise",), 1, "Extra inputs are not permitted"),
        (("training", "surprise"), 1, "Extra inputs are not permitted"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    place: tuple[str | int, ...], value: Any, problem: str
) -> None:
    stated = json.loads(GOLDEN.read_bytes())
    inner = stated
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(ValidationError) as caught:
        Manifest.model_validate(stated)
    assert problem in str(caught.value)


SINCE_FORMAT_2 = {"calibration", "compiled"}
SINCE_FORMAT_5 = {"novelty"}
ALWAYS = set(Manifest.model_fields) - SINCE_FORMAT_2 - SINCE_FORMAT_5


@pytest.mark.parametrize(
    "field", sorted(set(Manifest.model_fields) - SINCE_FORMAT_2 - SINCE_FORMAT_5)
)
def test_no_field_may_be_missing(field: str) -> None:
    stated = json.loads(GOLDEN.read_bytes())
    del stated[field]
    with pytest.raises(ValidationError, match=field):
        Manifest.model_validate(stated)


ONE_SIZE = PictureSizes(height=(256, 256), width=(1600, 1600))
A_RANGE = PictureSizes(height=(200, 400), width=(200, 600))
ONE_HEIGHT = PictureSizes(height=(256, 256), width=(800, 1600))


@pytest.mark.parametrize(
    ("sizes", "height", "width", "admitted"),
    [
        (ONE_SIZE, 256, 1600, True),
        (ONE_SIZE, 1600, 256, False),  # turned
        (ONE_SIZE, 256, 1599, False),
        (ONE_SIZE, 257, 1600, False),
        (A_RANGE, 200, 200, True),
        (A_RANGE, 300, 500, True),
        (A_RANGE, 100, 100, True),  # a factor of two below
        (A_RANGE, 99, 100, False),
        (A_RANGE, 100, 99, False),
        (A_RANGE, 800, 1200, True),  # a factor of two above
        (A_RANGE, 801, 1200, False),
        (A_RANGE, 800, 1201, False),
        (ONE_HEIGHT, 128, 400, True),
        (ONE_HEIGHT, 512, 3200, True),
        (ONE_HEIGHT, 127, 1600, False),
    ],
)
def test_which_sizes_are_scored(
    sizes: PictureSizes, height: int, width: int, admitted: bool
) -> None:
    assert sizes.admit(height, width) is admitted


@settings(deadline=None)
@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(0, 500), st.integers(0, 500))
def test_sizes_seen_in_training_are_always_scored(
    height: int, width: int, taller: int, wider: int
) -> None:
    sizes = PictureSizes(height=(height, height + taller), width=(width, width + wider))
    assert sizes.admit(height, width)
    assert sizes.admit(height + taller, width + wider)


@pytest.mark.parametrize(
    ("sizes", "text"),
    [(ONE_SIZE, "1600x256"), (A_RANGE, "100-1200x100-800"), (ONE_HEIGHT, "400-3200x128-512")],
)
def test_sizes_in_words_are_width_by_height(sizes: PictureSizes, text: str) -> None:
    assert str(sizes) == text
