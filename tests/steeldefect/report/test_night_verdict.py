"""The verdict of a night: one sentence for each case, the most important first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from steeldefect.publish.runs import Outcome
from steeldefect.report.answers import Answer, Row
from steeldefect.report.facts import Facts
from steeldefect.report.runs import NightRun
from steeldefect.report.usual import Change
from steeldefect.report.verdict import Urgency, Verdict, brief, verdict_of

RUN = NightRun(
    run_id="run-1",
    bundle="b" * 64,
    source="/archive",
    day=date(2026, 3, 4),
    scored_at=datetime(2026, 3, 4, 5, tzinfo=UTC),
    outcome=Outcome.SUCCESS,
    error=None,
    planned=1_200,
    skipped=200,
    scored=1_000,
    quarantined=0,
    defective=12,
    waves=1,
    seconds=10.0,
    pictures_per_second=100.0,
    engine=None,
    settings="{}",
    versions="{}",
    classes={1: "bright", 2: "dark"},
    thresholds=None,
)
ROLL: Row = {
    "kind": "roll",
    "period_mm": 1_250.4,
    "diameter_mm": 398.0,
    "coil": "7",
    "camera": "c1",
}
CHANGE = Change("pictures with dark", 2, 0.1, 0.05, 0.05, 0.01, 0.09, 0.04, 0.06, 5, changed=True)
BASE = "12 of 1,000 pictures show a defect, most often dark"
QUIET = {"defective": 0}


def facts(
    run: NightRun = RUN,
    repeats: list[Row] | None = None,
    drift: list[Row] | None = None,
    changes: tuple[Change, ...] = (),
    **found: Any,
) -> Facts:
    """Return a night on which 12 pictures show a defect, most of them of class 2."""
    counts = {"pictures": run.scored, "defective": run.defective, "audit_found": 0} | found
    classes = [(1, "bright", 5), (2, "dark", 9)] if counts["defective"] else []
    rows = [
        {"class_id": one, "class_name": name, "pictures": pictures, "area_px": 10}
        for one, name, pictures in classes
    ]
    nothing = Answer("", ())
    names = [one for one in Facts.__dataclass_fields__ if one not in ("run", "history", "changes")]
    told = dict.fromkeys(names, nothing) | {
        "found": Answer("", (counts,)),
        "classes": Answer("", tuple(rows)),
        "repeats": Answer("", tuple(repeats or ())),
        "drift": Answer("", tuple(drift or ())),
    }
    return Facts(run=run, history=(run,), changes=changes, **told)


def alarm(sentence: str, camera: str | None = "c1", quantity: str = "gray_mean") -> Row:
    return {"camera": camera, "quantity": quantity, "sentence": sentence, "alarm": True}


def test_a_night_with_defects_is_to_be_looked_at() -> None:
    assert verdict_of(facts()) == Verdict(Urgency.LOOK, f"{BASE}.")
    one = verdict_of(facts(replace(RUN, scored=1, defective=1)))
    assert one.sentence == "1 of 1 picture shows a defect, most often dark."


def test_a_night_without_defects_is_quiet_unless_the_audit_found_some() -> None:
    none = replace(RUN, **QUIET)
    quiet = Verdict(Urgency.QUIET, "None of 1,000 pictures shows a defect.")
    assert verdict_of(facts(none)) == quiet
    assert verdict_of(facts(none, audit_found=2)) == replace(quiet, urgency=Urgency.LOOK)


def test_a_night_without_new_pictures_says_so() -> None:
    empty = replace(RUN, outcome=Outcome.NOTHING_NEW, scored=0, defective=0, planned=200)
    expected = Verdict(Urgency.QUIET, "No new pictures.")
    assert verdict_of(facts(empty)) == brief(empty) == expected


def test_pictures_that_could_not_be_scored_are_counted() -> None:
    text = verdict_of(facts(replace(RUN, quarantined=1))).sentence
    assert text == f"{BASE}; 1 picture could not be scored."


@pytest.mark.parametrize(
    ("repeat", "text"),
    [
        (
            {},
            "A mark repeats every 1,250 mm on coil 7, as a damaged roll of 398 mm diameter leaves "
            "it",
        ),
        (
            {"kind": "fixed_place", "coils": 5},
            "Defects lie at one place of the pictures of camera c1 on 5 coils, as dirt in front of "
            "the camera leaves them",
        ),
        (
            {"kind": "fixed_place", "coils": 1, "camera": None},
            "Defects lie at one place of the pictures of the camera on 1 coil, as dirt in front of "
            "the camera leaves them",
        ),
        (
            {"kind": "picture"},
            "A mark repeats with the pictures of coil 7, as dirt in front of the camera leaves it",
        ),
    ],
)
def test_a_repeat_is_told_first(repeat: Row, text: str) -> None:
    told = verdict_of(facts(repeats=[ROLL | repeat], drift=[alarm("x is dark (1): lamp")]))
    assert told == Verdict(Urgency.ACT, f"{text}; x is dark; {BASE}.")


def test_a_harmonic_is_no_repeat_of_its_own() -> None:
    assert verdict_of(facts(repeats=[ROLL | {"kind": "harmonic"}])).urgency is Urgency.LOOK


def test_an_alarm_is_told_without_its_numbers_and_each_cause_once() -> None:
    rows = [
        alarm("camera c1: 40% darker (median gray 70, before 117): less light"),
        alarm("camera c1: 20% duller (median 3, before 4): less light", quantity="gray_std"),
        alarm("camera c1: less sharp (1, before 2): it follows from the brightness"),
        alarm("all pictures: darker (1, before 2): it comes from camera c1; see there", None),
        alarm("nothing: calm") | {"alarm": False},
    ]
    told = verdict_of(facts(drift=rows))
    assert told == Verdict(Urgency.ACT, f"Camera c1: 40% darker; {BASE}.")


def test_what_the_pictures_explain_is_told_after_them() -> None:
    rows = [
        alarm("all pictures: gate probability is higher (1): check the camera", None, "gate"),
        alarm("all pictures: 30% darker (1): less light", None),
        alarm("camera c1: 30% darker (1): less light"),
    ]
    told = verdict_of(facts(drift=rows)).sentence
    assert told.startswith("All pictures: 30% darker; camera c1: 30% darker; all pictures: gate")


def test_a_change_of_a_share_is_told_with_both_shares() -> None:
    more = "more pictures with dark than usual (10%, usually 5.0%)"
    told = verdict_of(facts(changes=(replace(CHANGE, changed=False), CHANGE)))
    assert told == Verdict(Urgency.ACT, f"M{more[1:]}; {BASE}.")
    fewer = verdict_of(facts(changes=(replace(CHANGE, difference=-0.1),))).sentence
    assert fewer.startswith("Fewer pictures with dark than usual")


@pytest.mark.parametrize(("count", "rest"), [(4, "1 more thing"), (6, "3 more things")])
def test_three_things_are_told_and_the_others_counted(count: int, rest: str) -> None:
    told = verdict_of(facts(repeats=[ROLL | {"coil": str(one)} for one in range(count)])).sentence
    assert told.count("a mark repeats every") + told.count("A mark repeats every") == 3
    assert told.endswith(f"; {rest} changed; {BASE}.")


@pytest.mark.parametrize(
    ("outcome", "how"),
    [
        (Outcome.FAILED, "The run ended with an error"),
        (Outcome.INTERRUPTED, "The run was interrupted"),
        (Outcome.RUNNING, "The run has not ended, or its host died"),
    ],
)
def test_a_run_that_did_not_end_well_is_told_before_everything(outcome: Outcome, how: str) -> None:
    run = replace(RUN, outcome=outcome, planned=1_300, quarantined=1)
    left = f"{how}, and 99 pictures of the night are not done yet"
    told = verdict_of(facts(run, repeats=[ROLL]))
    assert told.urgency is Urgency.BROKEN
    assert told.sentence.startswith(f"{left}; a mark repeats")
    assert told.sentence.endswith(f"{BASE}; 1 picture could not be scored.")
    in_short = f"{left}; 12 of 1,000 pictures show a defect; 1 could not be scored."
    assert brief(run) == Verdict(Urgency.BROKEN, in_short)
    one = replace(run, planned=1_202)
    assert ", and 1 picture of the night is not done yet" in verdict_of(facts(one)).sentence


def test_the_list_of_nights_tells_what_a_run_knows_of_itself() -> None:
    assert brief(RUN) == Verdict(Urgency.LOOK, "12 of 1,000 pictures show a defect.")
    one = replace(RUN, defective=1)
    assert brief(one).sentence == "1 of 1,000 pictures shows a defect."
    none = replace(RUN, **QUIET, quarantined=3)
    text = "0 of 1,000 pictures show a defect; 3 could not be scored."
    assert brief(none) == Verdict(Urgency.QUIET, text)
