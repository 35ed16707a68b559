"""Choose the pictures that a night's pages show, and read what was found on them.

Every section of the page chooses its own pictures; one picture may be in several. What is left of
the limit goes to the pictures with the largest findings, for the contact sheet and the coils.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import pyarrow as pa

from steeldefect.analysis.one_run import views_of_run
from steeldefect.report import questions
from steeldefect.report.answers import Answer, Asker, Row
from steeldefect.report.facts import Facts
from steeldefect.report.on_spark import PlateOrder
from steeldefect.report.plates import Box, Outline
from steeldefect.review.candidates import most_doubtful
from steeldefect.review.doubts import Compared, find_doubts
from steeldefect.review.reasons import Kind

MOST_PICTURES = 200
"""Most pictures that are drawn for a night."""

_WORST_OF_CLASS = 3
_OF_REPEAT = 4
_REPEATS = 6  # repeats whose pictures are shown
_OF_SECTION = 12
_MOST_REGIONS = 40  # regions that are outlined on a picture, the largest


class Part(str, Enum):
    """The sections of the page that show pictures."""

    WORST = "worst"
    REPEATS = "repeats"
    UNCERTAIN = "uncertain"
    AUDIT = "audit"
    SHADOW = "shadow"


@dataclass(frozen=True)
class Region:
    """One region on a picture: columns of `defects`, or of `predictions` where none was measured.

    Attributes:
        number: its number on the picture, from 1.
        box: its box in pixels.
    """

    number: int
    class_id: int
    class_name: str
    run_lengths: str
    area: int
    box: Box
    area_mm2: float | None
    length_mm: float | None
    width_mm: float | None
    along_mm: float | None
    across_mm: float | None


@dataclass(frozen=True)
class PlateFile:
    """A drawing beside the pages.

    Attributes:
        path: path below the folder of the pages, or a `data:` address.
        width, height: size in pixels.
    """

    path: str
    width: int
    height: int

    @property
    def inside(self) -> bool:
        """Whether the drawing is inside the page."""
        return self.path.startswith("data:")


@dataclass(frozen=True)
class Shown:
    """A picture that the pages show.

    Attributes:
        number: its number among the pictures of the night, from 1.
        source, key, etag, width, height, coil, camera, side, position_mm, gate_probability,
            verdict: columns of its row of `images`.
        pixel_mm: width and height of a pixel; None if unknown.
        behind_gate: whether the audit found what is shown, on a picture that the gate stopped.
        regions: what was found: the defect that it is shown for, then the largest first.
        left_out: number of regions that are not outlined.
        other: what the shadow found, if the picture is shown because of it.
        other_box: box of its largest part; None if it found nothing.
        why: why each section shows it.
        plate: its drawing; None if there is none.
        problem: why there is no drawing.
    """

    number: int
    source: str
    key: str
    etag: str
    width: int
    height: int
    coil: str | None
    camera: str | None
    side: str | None
    position_mm: float | None
    gate_probability: float | None
    verdict: str
    pixel_mm: tuple[float, float] | None
    behind_gate: bool
    regions: tuple[Region, ...]
    left_out: int = 0
    other: tuple[Outline, ...] = ()
    other_box: Box | None = None
    why: Mapping[Part, str] = field(default_factory=dict)
    plate: PlateFile | None = None
    problem: str | None = None

    @property
    def classes(self) -> list[str]:
        """Names of the classes on the picture."""
        return list(dict.fromkeys(one.class_name for one in self.regions))

    def order(self) -> PlateOrder:
        """Return the order for its plate."""
        outlines = [Outline(one.run_lengths, one.class_id, one.number) for one in self.regions]
        outlines += self.other
        focus = self.regions[0].box if self.regions else self.other_box
        return PlateOrder(
            *(self.number, self.source, self.key, self.etag, self.width, self.height),
            tuple(outlines),
            focus,
            self.pixel_mm,
        )


@dataclass(frozen=True)
class Chosen:
    """The pictures of a night.

    Attributes:
        pictures: all of them, in the order of coils and positions.
        parts: numbers of the pictures of each section, in its order.
        left_out: number of pictures that each section wanted, beyond the limit.
        answers: the questions behind the sections.
        found: number of pictures with a finding, whether they are shown or not.
    """

    pictures: tuple[Shown, ...]
    parts: Mapping[Part, tuple[int, ...]]
    left_out: Mapping[Part, int]
    answers: Mapping[Part, Answer]
    found: int

    def of(self, part: Part) -> list[Shown]:
        """Return the pictures of a section, in its order."""
        by_number = {one.number: one for one in self.pictures}
        return [by_number[number] for number in self.parts.get(part, ())]

    def of_coil(self, coil: str) -> list[Shown]:
        """Return the pictures of a coil."""
        return [one for one in self.pictures if one.coil == coil]

    def with_plates(self, plates: Mapping[int, PlateFile], problems: Mapping[int, str]) -> Chosen:
        """Return the same pictures with their drawings, or with why there is none."""
        drawn = tuple(
            replace(one, plate=plates.get(one.number), problem=problems.get(one.number))
            for one in self.pictures
        )
        return replace(self, pictures=drawn)


Name = tuple[str, str]
"""Source and key of a picture."""


class _Wishes:
    """Pictures that sections ask for, until the limit is reached."""

    def __init__(self, limit: int) -> None:
        self.why: dict[Name, dict[Part, str]] = {}
        self.parts: dict[Part, list[Name]] = {part: [] for part in Part}
        self.left_out: dict[Part, set[Name]] = {part: set() for part in Part}
        self.focus: dict[Name, int] = {}
        self._limit = limit

    def add(self, part: Part, name: Name, why: str, number: int | None = None) -> None:
        """Ask for a picture; a section has it once.

        Args:
            part: the section.
            name: source and key.
            why: why the section shows it.
            number: number of the defect that it is shown for; None for no single one.
        """
        if name not in self.why and len(self.why) >= self._limit:
            self.left_out[part].add(name)
            return
        if number is not None:
            self.focus.setdefault(name, number)
        reasons = self.why.setdefault(name, {})
        if part not in reasons:
            reasons[part] = why
            self.parts[part].append(name)

    def fill(self, names: Iterable[Name]) -> None:
        """Add pictures that no section asked for."""
        for name in names:
            if len(self.why) >= self._limit:
                return
            self.why.setdefault(name, {})


def choose_pictures(asker: Asker, facts: Facts, limit: int) -> Chosen:
    """Choose the pictures of a night, and read what was found on them.

    Args:
        asker: asks the tables of the output.
        facts: the night.
        limit: most pictures.
    """
    run = facts.run
    asker = Asker(asker.connection, {"run": run.run_id, "day": run.day})
    wishes = _Wishes(limit)
    answers = {
        Part.WORST: asker.ask(questions.WORST, most=_WORST_OF_CLASS),
        Part.AUDIT: asker.ask(questions.AUDIT_FINDS, most=_OF_SECTION),
        Part.SHADOW: asker.ask(questions.SHADOW_DIFFERS, most=_OF_SECTION),
        Part.REPEATS: facts.repeats,
    }
    for row in answers[Part.WORST].rows:
        wishes.add(Part.WORST, _name(row), worst_text(row), row["number"])
    for number, row in enumerate(facts.lasting_repeats[:_REPEATS], 1):
        names = zip(row["member_sources"], row["member_keys"], strict=True)
        marks = dict(zip(names, row["member_numbers"], strict=True))
        for name in _spread(list(marks), _OF_REPEAT):
            wishes.add(Part.REPEATS, name, f"A mark of repeat {number}", marks[name])
    for row in answers[Part.AUDIT].rows:
        wishes.add(Part.AUDIT, _name(row), _audit_text(row))
    for row in answers[Part.SHADOW].rows:
        wishes.add(Part.SHADOW, _name(row), _shadow_text(row))
    for name, why in _uncertain(asker, facts):
        wishes.add(Part.UNCERTAIN, name, why)
    found = asker.ask(questions.FOUND_PICTURES, most=max(limit, 1))
    wishes.fill(map(_name, found.rows))
    shadows = {row["shadow_run"] for row in answers[Part.SHADOW].rows}
    pictures = _read(asker, facts, wishes, sorted(shadows))
    numbers = {(one.source, one.key): one.number for one in pictures}
    parts = {
        part: tuple(numbers[name] for name in names if name in numbers)
        for part, names in wishes.parts.items()
    }
    left_out = {part: len(names) for part, names in wishes.left_out.items()}
    return Chosen(tuple(pictures), parts, left_out, answers, facts.found.row["defective"])


def _name(row: Row) -> Name:
    return row["source"], row["key"]


def _spread(names: Sequence[Name], count: int) -> list[Name]:
    """Return some of the names, from the first to the last."""
    if len(names) <= count:
        return list(names)
    step = (len(names) - 1) / (count - 1)
    return [names[round(place * step)] for place in range(count)]


def worst_text(row: Row) -> str:
    """Return what is said of a defect: its class, its size, its area."""
    if row["length_mm"] is None:
        return f"{row['class_name']}: {row['area']:,} px"
    return (
        f"{row['class_name']}: {row['length_mm']:,.0f} x {row['width_mm']:,.0f} mm, "
        f"{row['area_mm2']:,.0f} mm²"
    )


def _audit_text(row: Row) -> str:
    return f"{row['class_name']}, {row['area']:,} px, on a picture that the gate stopped"


def _shadow_text(row: Row) -> str:
    mine, theirs = row["area"], row["shadow_area"]
    if not mine or not theirs:
        who = "the second bundle" if theirs else "the bundle"
        return f"only {who} finds {row['class_name']} here: {mine or theirs:,} px"
    return f"{row['class_name']}: {mine:,} px, by the second bundle {theirs:,} px"


def _uncertain(asker: Asker, facts: Facts) -> list[tuple[Name, str]]:
    """Return the most doubtful pictures of the night that nobody has reviewed, with the reason."""
    run, connection = facts.run, asker.connection
    with views_of_run(connection, run.run_id, run.day):
        find_doubts(connection, Compared(run.bundle, run.thresholds, None))
        doubtful = most_doubtful(connection, run.bundle, 2 * _OF_SECTION)
    named = []
    for one in doubtful:
        doubts = [doubt for doubt in one.doubts if doubt.kind is not Kind.AUDIT]
        if doubts:
            named.append((one.picture, f"{_IN_WORDS[doubts[0].kind]}: {doubts[0].sentence()}"))
    return named[:_OF_SECTION]


def _read(asker: Asker, facts: Facts, wishes: _Wishes, shadows: list[str]) -> list[Shown]:
    """Read the chosen pictures, in the order of coils and positions."""
    if not wishes.why:
        return []
    connection = asker.connection
    names = pa.table(
        {"source": [one[0] for one in wishes.why], "key": [one[1] for one in wishes.why]}
    )
    connection.register("chosen_pictures", names)
    try:
        images = asker.ask(_IMAGES).rows
        regions = _by_picture(asker.ask(_REGIONS).rows)
        whole = _by_picture(asker.ask(_WHOLE).rows)
        audited = _by_picture(asker.ask(_AUDITED).rows)
        theirs = _by_picture(asker.ask(_OTHERS, runs=tuple(shadows)).rows)
    finally:
        connection.unregister("chosen_pictures")
    shown = []
    for number, row in enumerate(images, 1):
        name, why = _name(row), wishes.why[_name(row)]
        behind = row["verdict"] == "gated" and bool(row["audit_defects"])
        own = audited.get(name, []) if behind else regions.get(name) or whole.get(name, [])
        other = theirs.get(name, []) if Part.SHADOW in why else []
        shown.append(_shown(number, row, own, other, (why, wishes.focus.get(name), behind)))
    return shown


def _by_picture(rows: Sequence[Row]) -> dict[Name, list[Row]]:
    pictures: dict[Name, list[Row]] = {}
    for row in rows:
        pictures.setdefault(_name(row), []).append(row)
    return pictures


def _shown(
    number: int,
    row: Row,
    own: Sequence[Row],
    other: Sequence[Row],
    reason: tuple[Mapping[Part, str], int | None, bool],
) -> Shown:
    """Return a picture.

    Args:
        number: its number on the pages.
        row: its row of `images`.
        own: its regions, the largest first.
        other: what the shadow found.
        reason: why sections show it, for which defect, and whether the audit found it.
    """
    why, focus, behind = reason
    own = sorted(own, key=lambda one: one.get("number") != focus)  # that defect is never left out
    pixel = row["pixel_mm_x"], row["pixel_mm_y"]
    plain: dict[str, Any] = {name: row[name] for name in _PLAIN}
    return Shown(
        number=number,
        **plain,
        pixel_mm=None if None in pixel else pixel,
        behind_gate=behind,
        regions=tuple(_region(one, place) for place, one in enumerate(own[:_MOST_REGIONS], 1)),
        left_out=max(len(own) - _MOST_REGIONS, 0),
        other=tuple(Outline(one["run_lengths"], None) for one in other),
        other_box=_box(other[0]) if other else None,
        why=why,
    )


def _box(row: Row) -> Box:
    return Box(row["box_left"], row["box_top"], row["box_right"], row["box_bottom"])


def _region(row: Row, place: int) -> Region:
    names = ("class_id", "class_name", "run_lengths", "area", *_MEASURED)
    known = {name: row.get(name) for name in names}
    return Region(number=row.get("number") or place, box=_box(row), **known)  # type: ignore[arg-type]


_IN_WORDS = {
    Kind.GATE: "The first check was close to its limit",
    Kind.PROBABILITY: "The models were not sure",
    Kind.AREA_ABOVE: "Found, but barely large enough",
    Kind.AREA_BELOW: "Not counted, a little too small",
    Kind.DISAGREEMENT: "Two bundles differ",
}
_PLAIN = (
    *("source", "key", "etag", "width", "height", "coil", "camera", "side", "position_mm"),
    *("gate_probability", "verdict"),
)
_MEASURED = ("area_mm2", "length_mm", "width_mm", "along_mm", "across_mm")
_BOX = "box_left, box_top, box_right, box_bottom"
_NIGHT = "run_id = $run AND scored_date = $day"
_IMAGES = f"""
SELECT {", ".join(_PLAIN)}, audit_defects, pixel_mm_x, pixel_mm_y
FROM images SEMI JOIN chosen_pictures USING (source, key) WHERE {_NIGHT}
ORDER BY coil NULLS LAST, camera, side, position_mm, key, source
"""  # noqa: S608
_REGIONS = f"""
SELECT source, key, number, class_id, class_name, run_lengths, area, {_BOX}, {", ".join(_MEASURED)}
FROM defects SEMI JOIN chosen_pictures USING (source, key) WHERE kept AND {_NIGHT}
ORDER BY area DESC, number
"""  # noqa: S608
_WHOLE = f"""
SELECT source, key, class_id, class_name, run_lengths, area, {_BOX}
FROM predictions SEMI JOIN chosen_pictures USING (source, key) WHERE {_NIGHT}
ORDER BY area DESC, class_id
"""  # noqa: S608
_AUDITED = f"""
SELECT source, key, number, class_id, class_name, run_lengths, area, {_BOX}, {", ".join(_MEASURED)}
FROM audit_defects SEMI JOIN chosen_pictures USING (source, key) WHERE kept AND {_NIGHT}
ORDER BY area DESC, number
"""  # noqa: S608
_OTHERS = f"""
SELECT source, key, run_lengths, {_BOX}
FROM predictions SEMI JOIN chosen_pictures USING (source, key)
WHERE run_id IN $runs AND scored_date = $day
ORDER BY area DESC, class_id
"""  # noqa: S608
