"""What the report and the summary say of guarantees and of the probabilities of regions."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from scipy.stats import binomtest
from support.guarantees import GATE, refused
from support.reports import changed, make

from steeldefect.bundle.manifest import Guarantee, Score
from training.report import Report, write_report
from training.report.doubts import doubts
from training.report.guarantees import contradicted, guarantee_line

REFUSED = refused(2)
NAMES = {1: "c1", 2: "c2"}


@pytest.fixture(scope="module")
def report(learnable: Path) -> Report:
    return make(learnable)


def with_guarantees(report: Report, *records: Guarantee) -> Report:
    assert report.manifest.calibration is not None
    update = {"guarantees": list(records), "region_calibration_error": (0.213, 0.031)}
    scores = [
        *report.manifest.held_out_scores,
        Score(scope="overall", name="region_calibration_error", value=0.042, support=77),
    ]
    calibration = report.manifest.calibration.model_copy(update=update)
    return changed(report, calibration=calibration, held_out_scores=scores)


def test_the_table_has_a_row_for_each_guarantee(report: Report) -> None:
    text = unescape(write_report(with_guarantees(report, GATE, REFUSED)))
    section = text[text.index("<h2>Guarantees") :] if "<h2>Guarantees" in text else text
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in section.split("<tr>")]
    (gate,) = (row for row in rows if row[:1] == ["gate"])
    # a one-sided bound at 90% is the end of a two-sided interval at 80%
    bounds = [binomtest(*one).proportion_ci(0.8, "exact").high for one in ((1, 80), (2, 12))]
    first, second = (f"{100 * one:.3g}%" for one in bounds)
    assert gate == ["gate", "yes", "80", "1", first, "45", "0.0125", "40", "0", "0.000 to 0.088"]
    (other,) = (row for row in rows if row[:1] == ["class 2 (c2)"])
    assert other == ["class 2 (c2)", "no", "12", "2", second, "45", "-", "-", "-", "-"]
    assert "not for other steel or another camera" in text


def test_without_guarantees_there_is_no_section(report: Report) -> None:
    assert "Guarantees" not in write_report(report)
    assert "mean probability of a region" not in write_report(report)


def test_the_error_of_regions_is_told_before_after_and_held_out(report: Report) -> None:
    text = write_report(with_guarantees(report, GATE))
    told = "on the validation part 0.213 before calibration, 0.031 after it, by cross-fitting; "
    assert told + "on the 77 held-out regions 0.042" in text


def test_the_line_says_what_holds_and_what_was_checked() -> None:
    assert guarantee_line(GATE, NAMES) == (
        "gate: at most 5% of the groups are missed, with confidence 90% (1 of 80 validation groups "
        "missed); held out: 0 of 40, 95% interval 0.000 to 0.088"
    )
    assert guarantee_line(REFUSED, NAMES) == "class 2 (c2): no guarantee; see the note"


def test_held_out_groups_that_speak_against_it_are_a_doubt(report: Report) -> None:
    broken = GATE.model_copy(update={"held_out_missed": 8})
    unclear = GATE.model_copy(update={"held_out_missed": 4})
    unheld = broken.model_copy(update={"held": False})
    assert contradicted([GATE, broken, unclear, unheld, REFUSED]) == [broken]
    told = "The held-out pictures speak against a guarantee"
    assert told in doubts(with_guarantees(report, broken))
    assert told not in doubts(with_guarantees(report, GATE))
