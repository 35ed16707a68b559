"""The coils of a night that have something to show: what their pages say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from steeldefect.pictures.strip import Places, PlaceSettings
from steeldefect.report import questions
from steeldefect.report.answers import Answer, Asker, Row
from steeldefect.report.chosen import Chosen, Shown
from steeldefect.report.facts import Facts
from steeldefect.report.strip_map import Surface, surfaces_of
from steeldefect.report.texts import counted, file_name
from steeldefect.report.verdict import Urgency


@dataclass(frozen=True)
class Coil:
    """One coil with something to show.

    Attributes:
        number: its number on the night's page, from 1.
        name: its name.
        row: its row of `questions.COILS`.
        by_class: its rows of `questions.COIL_DEFECTS`.
        defects: its rows of `questions.COIL_MARKS`, the largest first.
        repeats: its repeats, without harmonics.
        surfaces: its maps; none if places are unknown.
        pictures: those of its pictures that are drawn.
        failed: number of its pictures that could not be scored.
        classes: names of the bundle's classes, by id.
        answers: the questions behind its page, with what they are.
    """

    number: int
    name: str
    row: Row
    by_class: tuple[Row, ...]
    defects: tuple[Row, ...]
    repeats: tuple[Row, ...]
    surfaces: tuple[Surface, ...]
    pictures: tuple[Shown, ...]
    failed: int
    classes: dict[int, str]
    answers: tuple[tuple[Answer, str], ...]

    @property
    def file(self) -> str:
        """Name of its page, without the ending."""
        return file_name(self.name, self.number)

    @property
    def defect_count(self) -> int:
        """Number of its defects."""
        return sum(one["defects"] for one in self.by_class)

    @property
    def area_mm2(self) -> float | None:
        """Area of its defects; None if the scale is unknown."""
        known = [one["area_mm2"] for one in self.by_class if one["area_mm2"] is not None]
        return round(sum(known), 1) if known else None

    @property
    def longest_mm(self) -> float | None:
        """Length of its longest defect; None if the scale is unknown."""
        known = [one["longest_mm"] for one in self.by_class if one["longest_mm"] is not None]
        return max(known, default=None)

    @property
    def most(self) -> str:
        """Name of the class with the most defects; empty without a defect."""
        ordered = sorted(self.by_class, key=lambda one: -one["defects"])
        return str(ordered[0]["class_name"]) if ordered else ""

    @property
    def urgency(self) -> str:
        """How urgent it is, as the style sheet names it."""
        if self.repeats:
            return str(Urgency.ACT.value)
        return str((Urgency.LOOK if self.defect_count else Urgency.QUIET).value)

    @property
    def sentence(self) -> str:
        """What was found on it, in one sentence."""
        defective, pictures = self.row["defective"], self.row["pictures"]
        text = f"{defective:,} of {counted(pictures, 'picture')} show a defect"
        if self.by_class:
            named = ", ".join(f"{one['defects']:,} {one['class_name']}" for one in self.by_class)
            text += f": {named}"
        if self.repeats:
            one = len(self.repeats) == 1
            text += f"; {counted(len(self.repeats), 'mark')} {'repeats' if one else 'repeat'}"
        if self.failed:
            text += f"; {counted(self.failed, 'picture')} could not be scored"
        return text + "."


def coils_of(asker: Asker, facts: Facts, chosen: Chosen, strip: PlaceSettings) -> list[Coil]:
    """Return the coils with something to show, those with the most to see first.

    Args:
        asker: asks the tables of the output.
        facts: the night.
        chosen: its pictures.
        strip: how the run took the place of a picture from its key.
    """
    asker = Asker(asker.connection, {"run": facts.run.run_id, "day": facts.run.day})
    pictures, marks = asker.ask(questions.COIL_PICTURES), asker.ask(questions.COIL_MARKS)
    failed = _failed(facts.failed.rows, Places(strip))
    repeats = _by_coil(facts.lasting_repeats)
    by_class, defects = _by_coil(facts.coil_defects.rows), _by_coil(marks.rows)
    of_pictures = _by_coil(pictures.rows)
    answers = (
        (facts.coils, "coils"),
        (pictures, "their pictures"),
        (marks, "their defects"),
        (facts.repeats, "marks that repeat"),
    )
    along = "x" if strip.along is None else strip.along.value
    rows = [
        one
        for one in facts.coils.rows
        if by_class[one["coil"]]
        or repeats[one["coil"]]
        or one["audit_found"]
        or failed[one["coil"]]
    ]
    rows.sort(key=lambda one: _weight(repeats[one["coil"]], by_class[one["coil"]]), reverse=True)
    return [
        Coil(
            number,
            name := row["coil"],
            row,
            tuple(by_class[name]),
            tuple(defects[name]),
            tuple(repeats[name]),
            tuple(surfaces_of(of_pictures[name], defects[name], repeats[name], along)),
            tuple(chosen.of_coil(name)),
            failed[name],
            facts.run.classes,
            answers,
        )
        for number, row in enumerate(rows, 1)
    ]


def _weight(repeats: Sequence[Row], by_class: Sequence[Row]) -> tuple[int, float]:
    """Return what orders coils: repeats first, then the area of their defects."""
    return len(repeats), sum(one["area_px"] for one in by_class)


def _by_coil(rows: Iterable[Row]) -> defaultdict[str, list[Row]]:
    coils: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["coil"] is not None:
            coils[row["coil"]].append(row)
    return coils


def _failed(rows: Sequence[Row], places: Places) -> Counter[str]:
    """Count the listed failures of each coil, as far as keys state coils."""
    found = (places.of(row["key"], None).coil for row in rows)
    return Counter(one for one in found if one is not None)
