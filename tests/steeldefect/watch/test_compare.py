"""Comparisons: what raises an alarm, what it says, and what is not compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from watched_plant import COLUMNS, changed, failures, kept, plant, without_places

from steeldefect.errors import SettingsError
from steeldefect.settings import settings_from
from steeldefect.watch import (
    DriftReport,
    DriftRow,
    Observed,
    Reference,
    compare,
    make_reference,
    profile,
)
from steeldefect.watch.quantities import PICTURE_QUANTITIES


@pytest.fixture(scope="module")
def reference() -> Reference:
    return make_reference(plant(100, coils=100), "run 1", as_they_come=True)


def report_of(night: Observed, reference: Reference) -> DriftReport:
    return compare(profile(night), reference)


def row_of(report: DriftReport, quantity: str, camera: str | None = None) -> DriftRow:
    return next(one for one in report.rows if (one.quantity, one.camera) == (quantity, camera))


def with_faults(night: Observed, camera: str | None, **faults: float) -> Observed:
    """Return the night with statistics multiplied, on one camera or on all."""
    images = night.images.copy()
    mine = images["camera"] == camera if camera else images["camera"].notna()
    for name, factor in faults.items():
        images.loc[mine, name] *= np.float32(factor)
    return changed(night, images=images)


def test_a_night_without_a_change_raises_no_alarm(reference: Reference) -> None:
    report = report_of(plant(1), reference)
    assert (report.alarms, report.summary) == ((), ())
    assert row_of(report, "gray_mean").sentence.startswith("all pictures: no alarm: gray_mean: ")
    assert report.compared(PICTURE_QUANTITIES)


def test_the_levels_of_a_night_add_up_to_alpha(reference: Reference) -> None:
    levels = [(row.camera, row.level) for row in report_of(plant(1), reference).rows]
    overall = [level for camera, level in levels if camera is None and level is not None]
    cameras = [level for camera, level in levels if camera is not None and level is not None]
    assert sum(overall) == pytest.approx(0.005)
    assert sum(cameras) == pytest.approx(0.005)
    assert len(overall) < len(cameras)


def test_the_numbers_of_a_row_are_those_of_scipy(reference: Reference) -> None:
    before, night = plant(100, coils=20), plant(3)
    report = report_of(night, make_reference(before, "run", as_they_come=True))
    for row in report.rows:
        if row.quantity not in COLUMNS:
            continue
        old, new = (
            one.images[row.quantity][(one.images["camera"] == row.camera) | (row.camera is None)]
            for one in (before, night)
        )
        assert (row.reference_count, row.night_count) == (len(old), len(new))
        assert row.reference_value == pytest.approx(old.median())
        assert row.night_value == pytest.approx(new.median())
        assert row.distance == pytest.approx(ks_2samp(old, new).statistic)


BLACK = {"gray_mean": 0.02, "gray_std": 0.1, "sharpness": 0.01}
FAULTS: list[tuple[str | None, dict[str, float], str, str, str]] = [
    ("2", {"gray_mean": 0.85}, "gray_mean", "darker", "less light: lamp, exposure or lens"),
    (None, {"gray_mean": 1.2}, "gray_mean", "brighter", "every camera shows it"),
    ("3", {"sharpness": 0.5}, "sharpness", "lower", "out of focus, dirt on the lens"),
    ("3", {"sharpness": 2.0}, "sharpness", "higher", "more noise"),
    ("1", BLACK, "gray_std", "lower", "the pictures are black: camera dead"),
    ("1", {"gray_std": 0.01}, "gray_std", "lower", "the pictures show nothing"),
    ("4", {"gray_std": 0.8}, "gray_std", "lower", "dirt on the lens, fog"),
    ("4", {"gray_mean": 0.8, "sharpness": 0.2}, "sharpness", "lower", "beyond what the brightness"),
    ("4", {"gray_mean": 0.8, "sharpness": 0.64}, "sharpness", "lower", "follows from the brightn"),
]


@pytest.mark.parametrize(("camera", "faults", "quantity", "fact", "cause"), FAULTS)
def test_faults_are_found_and_named(
    reference: Reference,
    camera: str | None,
    faults: dict[str, float],
    quantity: str,
    fact: str,
    cause: str,
) -> None:
    report = report_of(with_faults(plant(1), camera, **faults), reference)
    row = row_of(report, quantity, camera)
    assert row.alarm
    assert f" {fact} than in the reference (median " in row.sentence
    assert cause in row.sentence
    if camera is not None:
        assert {one.camera for one in report.alarms} <= {None, camera}
        for one in report.alarms:
            assert (
                one.camera == camera or f"it comes from camera {camera}; see there" in one.sentence
            )


def test_a_silent_camera_is_found_and_explains_the_others(reference: Reference) -> None:
    night = plant(1)
    report = report_of(kept(night, night.images["camera"] != "2"), reference)
    (alarm,) = report.alarms
    assert (alarm.camera, alarm.quantity, alarm.night_value) == ("2", "camera_share", 0.0)
    assert alarm.sentence == (
        "camera 2: no picture came (it sent 25.0% of the reference): "
        "camera silent: camera, cable, or the transport of its files"
    )
    assert report.summary == (alarm.sentence,)
    assert "the night has no value" in row_of(report, "gray_mean", "2").sentence
    assert row_of(report, "camera_share", "1").night_value == pytest.approx(1 / 3)


def test_a_camera_whose_coils_did_not_run_is_only_noted() -> None:
    """Each coil passes one camera: no picture of five coils proves nothing."""

    def one_camera_a_coil(night: Observed) -> Observed:
        return changed(
            night, images=night.images.assign(camera=night.images["coil"].astype(int) % 4 + 1)
        )

    before = one_camera_a_coil(plant(100, coils=40))
    night = one_camera_a_coil(plant(1, coils=5))
    night = kept(night, night.images["camera"] != 2)
    images = [one.images.assign(camera=one.images["camera"].astype(str)) for one in (before, night)]
    reference = make_reference(changed(before, images=images[0]), "run", as_they_come=True)
    report = report_of(changed(night, images=images[1]), reference)
    assert report.alarms_of(["camera_share"]) == ()
    assert any(one.startswith("camera 2 sent no picture; too few coils") for one in report.notes)


def test_a_new_camera_is_named(reference: Reference) -> None:
    night = plant(1)
    images = night.images.assign(camera=night.images["camera"].replace("2", "9"))
    report = report_of(changed(night, images=images), reference)
    row = row_of(report, "camera_share", "9")
    assert row.alarm
    assert row.sentence.endswith("the reference does not know this camera; make a new one")
    assert "the reference has no value" in row_of(report, "gray_mean", "9").sentence


def doubled(night: Observed, class_id: int = 2) -> Observed:
    """Return the night with a class on more than twice as many pictures."""
    spare = sorted(set(range(len(night.images))) - set(night.found["picture"]))
    more = pd.DataFrame({"picture": spare[::3], "class_id": class_id})
    return changed(night, found=pd.concat([night.found, more], ignore_index=True))


def test_a_class_that_doubles_is_the_steel_or_else_the_camera(reference: Reference) -> None:
    report = report_of(doubled(plant(1)), reference)
    row = next(one for one in report.alarms if one.camera is None)
    assert (row.quantity, row.class_id, row.class_name) == ("class_rate", 2, "patch")
    assert "patch is on" in row.sentence
    assert row.sentence.endswith("the pictures are as before: the steel has changed")
    darker = with_faults(doubled(plant(1)), None, gray_mean=0.8)
    row = next(one for one in report_of(darker, reference).alarms if one.class_id == 2)
    assert "check the camera first" in row.sentence
    unknown = doubled(plant(1))
    images = unknown.images.assign(**dict.fromkeys(PICTURE_QUANTITIES, np.nan))
    report = report_of(changed(unknown, images=images), reference)
    assert "is not known: check the camera first" in report.alarms[0].sentence


def test_failures_and_sizes_are_compared(reference: Reference) -> None:
    night = changed(plant(1), failed=failures(("3",) * 40))
    row = row_of(report_of(night, reference), "failure_rate", "3")
    assert row.alarm
    assert "could not be scored" in row.sentence
    assert "quarantine" in row.sentence
    grown = plant(1)
    grown = changed(grown, regions=grown.regions.assign(area=grown.regions["area"] * 2))
    alarms = report_of(grown, reference).alarms
    assert {one.quantity for one in alarms} == {"area"}
    assert "defects are" in alarms[0].sentence
    assert "larger than in the reference" in alarms[0].sentence


def test_chosen_pictures_say_nothing_about_rates() -> None:
    chosen = make_reference(plant(7, coils=10), "validation pictures", as_they_come=False)
    report = report_of(doubled(plant(1)), chosen)
    assert report.alarms == ()
    for quantity in ("class_rate", "defective_rate", "gate_probability", "failure_rate"):
        row = row_of(report, quantity)
        assert row.distance is None
        assert "were chosen" in row.sentence
    assert row_of(report, "gray_mean").distance is not None


def test_answers_of_another_bundle_are_not_compared(reference: Reference) -> None:
    night = replace(profile(doubled(plant(1))), bundle="b" * 64)
    report = compare(night, reference)
    assert report.alarms == ()
    assert "another bundle" in row_of(report, "class_rate").sentence
    assert any("another bundle" in one for one in report.notes)


def test_a_reference_without_cameras_finds_a_camera_that_is_far_from_all() -> None:
    few = make_reference(without_places(plant(7, coils=10), "camera", "coil"), "validation", False)
    assert report_of(plant(1), few).alarms == ()
    report = report_of(with_faults(plant(1), "2", gray_mean=0.01), few)
    row = row_of(report, "gray_mean", "2")
    assert row.alarm
    assert row.threshold == 0.5
    assert "black" in row.sentence
    assert row_of(report, "class_rate", "2").distance is None
    assert any("the reference knows no cameras" in one for one in report.notes)


def test_an_empty_night_says_so(reference: Reference) -> None:
    night = plant(1)
    report = report_of(kept(night, night.images["camera"] == "9"), reference)
    assert report.alarms == ()
    assert all(row.distance is None and row.level is None for row in report.rows)
    assert all("the night has no value" in row.sentence for row in report.rows)
    assert "the night has no picture" in report.notes


def test_few_pictures_and_null_statistics_are_not_compared(reference: Reference) -> None:
    report = report_of(plant(1, coils=1, frames=8), reference)
    assert "the night has 8 values, 20 are needed" in row_of(report, "gray_mean").sentence
    night = plant(1)
    images = night.images.assign(**dict.fromkeys(COLUMNS, np.nan))
    report = report_of(changed(night, images=images), reference)
    assert report.alarms == ()
    assert not report.compared(PICTURE_QUANTITIES)
    assert row_of(report, "gray_mean").night_value is None


def test_a_class_that_the_reference_never_saw_is_found(reference: Reference) -> None:
    before = plant(100)
    before = changed(
        before,
        found=before.found[before.found["class_id"] != 2],
        regions=before.regions[before.regions["class_id"] != 2],
    )
    report = report_of(plant(1), make_reference(before, "run 1", as_they_come=True))
    row = next(one for one in report.rows if (one.quantity, one.class_id) == ("class_rate", 2))
    assert (row.reference_value, row.alarm) == (0.0, True)
    assert "before 0.00%:" in row.sentence
    sizes = next(one for one in report.rows if (one.quantity, one.class_id) == ("area", 2))
    assert (sizes.distance, "the reference has no value" in sizes.sentence) == (None, True)


def test_constant_columns_never_alarm(reference: Reference) -> None:
    row = row_of(report_of(plant(1), reference), "clipped_bright")
    assert (row.distance, row.p_value, row.alarm) == (0.0, 1.0, False)


def test_unknown_places_are_noted(reference: Reference) -> None:
    report = report_of(without_places(plant(1), "camera", "coil"), reference)
    assert {row.camera for row in report.rows} == {None}
    assert any("coils of the night are not known" in one for one in report.notes)
    assert any("cameras of the night are not known" in one for one in report.notes)


def test_wrong_settings_are_listed_together() -> None:
    with pytest.raises(SettingsError, match=r"(?s)watch\.alpha: .*watch\.min_count: "):
        settings_from({"watch": {"alpha": 2, "min_count": 0}})
