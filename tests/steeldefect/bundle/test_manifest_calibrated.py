"""Guarantees and calibrated regions in `bundle.json`: format 5, and nothing without them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support.guarantees import GATE, refused

from steeldefect.bundle.files import seal_bundle
from steeldefect.bundle.manifest import (
    Calibration,
    DefectClass,
    Manifest,
    RegionCurve,
    with_lowest_format,
)

GOLDEN = Path(__file__).parent / "golden"


def plain() -> Manifest:
    return Manifest.model_validate_json((GOLDEN / "bundle.json").read_bytes())


def calibrated() -> Manifest:
    """Return the plain manifest with every field of guarantees and curves set."""
    before = plain()
    assert before.calibration is not None
    record = before.calibration.model_copy(
        update={"guarantees": [GATE, refused(3)], "region_calibration_error": (0.21, 0.031)}
    )
    first, *others = before.classes
    curved = first.model_copy(
        update={
            "region_curve": RegionCurve(model=(0, 0.55, 0.8, 1), calibrated=(0, 0.25, 0.4, 0.9))
        }
    )
    update = {"classes": [curved, *others], "calibration": record}
    return with_lowest_format(before.model_copy(update=update))


def test_the_text_form_is_the_golden_one(tmp_path: Path) -> None:
    made = calibrated()
    assert made.format_version == 5
    seal_bundle(tmp_path, made)
    golden = (GOLDEN / "bundle_5.json").read_text(encoding="utf-8")
    assert (tmp_path / "bundle.json").read_text(encoding="utf-8") == golden
    assert Manifest.model_validate_json(golden) == made


def test_without_them_no_field_is_named_and_the_format_stays() -> None:
    before = plain()
    assert with_lowest_format(before) == before
    text = before.model_dump_json()
    for name in ("guarantees", "region_calibration_error", "region_curve"):
        assert name not in text


def test_a_shift_of_the_gate_needs_a_higher_format() -> None:
    before = plain()
    assert before.gate is not None
    assert '"shift"' not in before.model_dump_json()
    gate = before.gate.model_copy(update={"shift": -2.5})
    made = with_lowest_format(before.model_copy(update={"gate": gate}))
    assert made.format_version == 6
    assert Manifest.model_validate_json(made.model_dump_json()) == made
    for version in (3, 5):
        stated = json.loads(made.model_dump_json()) | {"format_version": version}
        with pytest.raises(ValidationError, match="the shift of a gate needs format 6"):
            Manifest.model_validate(stated)


def test_a_seed_threshold_needs_a_higher_format_and_is_above_the_pixel_threshold() -> None:
    before = plain()
    assert "seed_threshold" not in before.model_dump_json()
    first, *others = before.classes
    values = {"pixel_threshold": 0.3, "seed_threshold": 0.8}
    one = first.model_copy(update=values)
    made = with_lowest_format(before.model_copy(update={"classes": [one, *others]}))
    assert made.format_version == 7
    assert Manifest.model_validate_json(made.model_dump_json()) == made
    for version in (3, 5, 6):
        stated = json.loads(made.model_dump_json()) | {"format_version": version}
        with pytest.raises(ValidationError, match="a seed threshold needs format 7"):
            Manifest.model_validate(stated)
    for seed in (0.3, 0.2):
        with pytest.raises(ValidationError, match="seed_threshold must be above pixel_threshold"):
            DefectClass(id=1, name="a", pixel_threshold=0.3, seed_threshold=seed)


@pytest.mark.parametrize("part", ["guarantees", "region_calibration_error", "region_curve"])
def test_each_field_needs_the_format(part: str) -> None:
    stated = json.loads(calibrated().model_dump_json())
    if part != "region_curve":
        del stated["classes"][0]["region_curve"]
    for name in {"guarantees", "region_calibration_error"} - {part}:
        del stated["calibration"][name]
    assert Manifest.model_validate(stated).lowest_format == 5
    for version in (3, 4):
        with pytest.raises(ValidationError, match="calibrated regions need format 5"):
            Manifest.model_validate(stated | {"format_version": version})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"model": [0, 1]}, "Field required"),
        ({"model": [0], "calibrated": [0]}, "at least 2 items"),
        ({"model": [0, 1], "calibrated": [0, 0.5, 1]}, "as many values"),
        ({"model": [0, 0.5, 0.5, 1], "calibrated": [0, 0.1, 0.2, 1]}, "values of a curve ascend"),
        ({"model": [0, 1], "calibrated": [0.6, 0.6]}, "values of a curve ascend"),
        ({"model": [0, 1], "calibrated": [0, 1.1]}, "values of a curve ascend"),
        ({"model": [0.1, 1], "calibrated": [0, 1]}, "begins with 0 and ends with 1"),
        ({"model": [0, 1], "calibrated": [0, 1], "bend": 1}, "Extra inputs"),
    ],
)
def test_a_curve_that_is_none_is_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        DefectClass.model_validate({"id": 1, "name": "a", "region_curve": values})


def test_a_record_of_an_earlier_version_has_neither() -> None:
    record = Calibration(pictures=1, defective=1, objective="none")
    assert (record.guarantees, record.region_calibration_error) == ([], None)
    assert DefectClass(id=1, name="a").region_curve is None
