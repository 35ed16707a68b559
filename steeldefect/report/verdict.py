"""The verdict of a night: one sentence, the most important first, and how urgent it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from steeldefect.publish.runs import Outcome
from steeldefect.report.facts import Facts
from steeldefect.report.runs import NightRun
from steeldefect.report.texts import counted, percent_text
from steeldefect.report.usual import Change
from steeldefect.watch.facts import who

_MOST_CLAUSES = 3


class Urgency(str, Enum):
    """How urgent a night is: `broken`: the run did not end well; `act`; `look`; `quiet`."""

    BROKEN = "broken"
    ACT = "act"
    LOOK = "look"
    QUIET = "quiet"


URGENCY_TEXT = {
    Urgency.BROKEN: "Not all of the night was scored",
    Urgency.ACT: "Something changed",
    Urgency.LOOK: "Defects were found",
    Urgency.QUIET: "Nothing was found",
}


@dataclass(frozen=True)
class Verdict:
    """The verdict of a night.

    Attributes:
        urgency: how urgent it is.
        sentence: one sentence in plain English.
    """

    urgency: Urgency
    sentence: str


def verdict_of(facts: Facts) -> Verdict:
    """Return the verdict of a night."""
    problems = [*_changes(facts)]
    shown = problems[:_MOST_CLAUSES]
    if len(problems) > len(shown):
        shown.append(f"{counted(len(problems) - len(shown), 'more thing')} changed")
    broken = None if facts.run.ended_well else _broken(facts.run)
    clauses = [*([broken] if broken else []), *shown, _base(facts)]
    sentence = "; ".join(clauses) + "."
    return Verdict(_urgency(facts, bool(problems)), sentence[0].upper() + sentence[1:])


def to_do(facts: Facts) -> list[str]:
    """Return what a person should do first, one sentence each."""
    wanted = list(_actions(facts))
    if facts.run.quarantined:
        wanted.append(
            "See below which pictures could not be scored: nobody has checked that steel."
        )
    return list(dict.fromkeys(wanted)) or ["Nothing at once: look at the worst defects."]


def _actions(facts: Facts) -> Iterator[str]:
    if not facts.run.ended_well:
        yield "Start the run again: it goes on where it ended; the reason stands below."
    for repeat in facts.lasting_repeats:
        if repeat["kind"] == "roll":
            yield (
                f"Check the rolls of about {repeat['diameter_mm']:,.0f} mm diameter, and look at "
                f"coil {repeat['coil']} and at the coils after it."
            )
        else:
            yield f"Clean the glass in front of {_camera(repeat['camera'])}."
    for alarm in facts.alarms:
        cause = alarm["sentence"].rpartition(": ")[2]
        if alarm["camera"] is None:
            yield f"Find out what changed on all pictures: {cause}."
        else:
            yield f"Check {who(alarm['camera'])}: {cause}."
            yield f"Do not rely on the findings of {who(alarm['camera'])} tonight."
    for change in facts.changed:
        yield f"Find out why {'more' if change.more else 'fewer'} {change.name} came than usual."


def brief(run: NightRun) -> Verdict:
    """Return the verdict of a night that its row of `runs` allows: for the list of nights."""
    if not run.ended_well:
        return Verdict(Urgency.BROKEN, f"{_capital(_broken(run))}; {_counts(run)}.")
    if run.outcome is Outcome.NOTHING_NEW:
        return Verdict(Urgency.QUIET, "No new pictures.")
    return Verdict(Urgency.LOOK if run.defective else Urgency.QUIET, f"{_capital(_counts(run))}.")


def _urgency(facts: Facts, changed: bool) -> Urgency:
    if not facts.run.ended_well:
        return Urgency.BROKEN
    if changed:
        return Urgency.ACT
    found = facts.found.row
    return Urgency.LOOK if found["defective"] or found["audit_found"] else Urgency.QUIET


def _broken(run: NightRun) -> str:
    how = {
        Outcome.FAILED: "the run ended with an error",
        Outcome.INTERRUPTED: "the run was interrupted",
        Outcome.RUNNING: "the run has not ended, or its host died",
    }[run.outcome]
    left = max(run.planned - run.skipped - run.done, 0)
    return f"{how}, and {counted(left, 'picture')} of the night {_be(left)} not done yet"


def _changes(facts: Facts) -> Iterator[str]:
    """Yield what is unusual, the most important first."""
    for repeat in facts.lasting_repeats:
        if repeat["kind"] == "roll":
            yield (
                f"a mark repeats every {repeat['period_mm']:,.0f} mm on coil {repeat['coil']}, "
                f"as a damaged roll of {repeat['diameter_mm']:,.0f} mm diameter leaves it"
            )
        elif repeat["kind"] == "fixed_place":
            yield (
                f"defects lie at one place of the pictures of {_camera(repeat['camera'])} on "
                f"{counted(repeat['coils'], 'coil')}, as dirt in front of the camera leaves them"
            )
        else:
            yield (
                f"a mark repeats with the pictures of coil {repeat['coil']}, as dirt in front of "
                "the camera leaves it"
            )
    for alarm in facts.alarms:
        yield short_alarm(alarm["sentence"])
    for change in facts.changed:
        yield _change_text(change)


def short_alarm(sentence: str) -> str:
    """Return the fact of an alarm, without its numbers and its cause.

    >>> short_alarm("camera 2: pictures are 40% darker than in the reference (median gray 70, "
    ...             "before 117): the lamp is weaker")
    'camera 2: pictures are 40% darker than in the reference'
    """
    return sentence.partition(" (")[0]


def _change_text(change: Change) -> str:
    word = "more" if change.more else "fewer"
    shares = f"{percent_text(change.tonight)}, usually {percent_text(change.usual)}"
    return f"{word} {change.name} than usual ({shares})"


def _base(facts: Facts) -> str:
    run, found = facts.run, facts.found.row
    if not run.done:
        return "no new pictures"
    pictures, defective = found["pictures"], found["defective"]
    text = (
        f"{defective:,} of {counted(pictures, 'picture')} "
        f"{'shows' if defective == 1 else 'show'} a defect"
        if defective
        else f"none of {counted(pictures, 'picture')} shows a defect"
    )
    if facts.found_classes and defective:
        most = max(facts.found_classes, key=lambda one: one.pictures)
        text += f", most often {most.class_name}"
    if run.quarantined:
        text += f"; {counted(run.quarantined, 'picture')} could not be scored"
    return text


def _counts(run: NightRun) -> str:
    verb = "shows" if run.defective == 1 else "show"
    text = f"{run.defective:,} of {counted(run.scored, 'picture')} {verb} a defect"
    if run.quarantined:
        text += f"; {run.quarantined:,} could not be scored"
    return text


def _be(count: int) -> str:
    return "is" if count == 1 else "are"


def _camera(camera: str | None) -> str:
    return "the camera" if camera is None else who(camera)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
