"""The answers of one night: everything that its pages state, with the SQL of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steeldefect.report import questions
from steeldefect.report.answers import Answer, Asker, Row
from steeldefect.report.runs import NightRun, Nights, span
from steeldefect.report.usual import Change, compare_with_usual
from steeldefect.watch.causes import ELSEWHERE, FOLLOWS
from steeldefect.watch.quantities import PICTURE_QUANTITIES

USUAL_NIGHTS = 28
"""Largest number of usual nights that a night is compared with."""
CHART_NIGHTS = 60
"""Largest number of nights on a chart of a night's page."""
MOST_FAILED = 50
"""Most pictures that could not be scored and are listed one by one."""

_SHOWN_REPEATS = ("roll", "fixed_place", "picture")


@dataclass(frozen=True)
class FoundClass:
    """One class that the night found.

    Attributes:
        class_id, class_name: the class.
        pictures: number of pictures that show it.
        area_px: its area in pixels.
        defects: number of its defects; None if the version that scored measured none.
        area_mm2, longest_mm: area and greatest length; None where the scale is unknown.
    """

    class_id: int
    class_name: str
    pictures: int
    area_px: int
    defects: int | None
    area_mm2: float | None
    longest_mm: float | None


@dataclass(frozen=True)
class Facts:
    """What the tables say of one night.

    Attributes:
        run: the night.
        history: the night and the nights before it, for charts; the oldest first.
        found, classes, defects, by_camera, coils, coil_defects, not_scored, failed, repeats,
            drift, watched, evaluated, gate: answers to the questions of these names.
        usual_pictures, usual_classes: the counts that the night is compared with.
        changes: the comparison with the usual nights.
        areas, cameras: answers over the nights of the charts.
    """

    run: NightRun
    history: tuple[NightRun, ...]
    found: Answer
    classes: Answer
    defects: Answer
    by_camera: Answer
    coils: Answer
    coil_defects: Answer
    not_scored: Answer
    failed: Answer
    repeats: Answer
    drift: Answer
    watched: Answer
    evaluated: Answer
    gate: Answer
    usual_pictures: Answer
    usual_classes: Answer
    changes: tuple[Change, ...]
    areas: Answer
    cameras: Answer

    @property
    def found_classes(self) -> list[FoundClass]:
        """The classes found, by id."""
        measured = {one["class_id"]: one for one in self.defects.rows}
        return [_found_class(one, measured.get(one["class_id"])) for one in self.classes.rows]

    @property
    def lasting_repeats(self) -> list[Row]:
        """The repeats without harmonics, which only repeat what their roll says."""
        return [one for one in self.repeats.rows if one["kind"] in _SHOWN_REPEATS]

    @property
    def alarms(self) -> list[Row]:
        """The alarms of the drift: the first of each camera and cause, those of pictures first.

        Pictures that differ explain findings that differ.
        """
        told = [
            one
            for one in self.drift.rows
            if one["alarm"] and not any(f": {two}" in one["sentence"] for two in _TOLD)
        ]
        first: dict[tuple[str | None, str], Row] = {}
        for one in sorted(told, key=lambda one: one["quantity"] not in PICTURE_QUANTITIES):
            first.setdefault((one["camera"], one["sentence"].rpartition(": ")[2]), one)
        return list(first.values())

    @property
    def changed(self) -> list[Change]:
        """The shares that are unusual."""
        return [one for one in self.changes if one.changed]

    def watched_row(self, name: str, labels: str | None = None) -> Row | None:
        """Return a metric of the watch over all classes; None if it was not computed."""
        for one in self.watched.rows:
            right = one["name"] == name and one["scope"] == "overall"
            if right and labels in (None, one["labels"]):
                return one
        return None


_TOLD = (FOLLOWS, ELSEWHERE)


def _found_class(row: Row, measured: Row | None) -> FoundClass:
    own = measured or {"defects": None, "area_mm2": None, "longest_mm": None}
    return FoundClass(**row, **{name: own[name] for name in ("defects", "area_mm2", "longest_mm")})


def read_facts(asker: Asker, nights: Nights, run: NightRun) -> Facts:
    """Ask all questions of a night.

    Args:
        asker: asks the tables of the output.
        nights: all nights.
        run: the night.
    """
    asker = Asker(asker.connection, {"run": run.run_id, "day": run.day, "bundle": run.bundle})
    history = nights.until(run, CHART_NIGHTS)
    usual = nights.usual(run, USUAL_NIGHTS)
    pictures = _over(asker, questions.USUAL_PICTURES, [*usual, run])
    of_classes = _over(asker, questions.USUAL_CLASSES, [*usual, run])
    changes = compare_with_usual(run.run_id, run.classes, pictures, of_classes)
    return Facts(
        run=run,
        history=history,
        found=asker.ask(questions.FOUND),
        classes=asker.ask(questions.CLASSES),
        defects=asker.ask(questions.DEFECTS),
        by_camera=asker.ask(questions.CAMERAS),
        coils=asker.ask(questions.COILS),
        coil_defects=asker.ask(questions.COIL_DEFECTS),
        not_scored=asker.ask(questions.NOT_SCORED),
        failed=asker.ask(questions.FAILED, most=MOST_FAILED),
        repeats=asker.ask(questions.REPEATS),
        drift=asker.ask(questions.DRIFT),
        watched=asker.ask(questions.WATCHED),
        evaluated=asker.ask(questions.EVALUATED),
        gate=asker.ask(questions.GATE),
        usual_pictures=pictures,
        usual_classes=of_classes,
        changes=tuple(changes),
        areas=_over(asker, questions.AREA_OF_NIGHTS, history),
        cameras=_over(asker, questions.CAMERAS_OF_NIGHTS, history),
    )


def _over(asker: Asker, question: str, runs: Sequence[NightRun]) -> Answer:
    ids, first = span(runs)
    return asker.ask(question, runs=ids, first=first)
