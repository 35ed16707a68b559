"""The figures of a night's page, as the page states them and as its own SQL gives them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from steeldefect.analysis.sql import query
from steeldefect.report.answers import Answer
from steeldefect.report.usual import Change, compare_with_usual
from steeldefect.stores import open_store
from support.page_reader import Element

Row = dict[str, Any]
Numbers = list[float]
_EVALUATED = {
    "defects found, of all true ones": "defect_recall",
    "defective ones, of the pictures with a finding": "verdict_precision",
    "defective pictures that pass the gate": "gate_recall",
}


@dataclass(frozen=True)
class Figures:
    """The counts, shares and areas of a night's page; the exact values, in the page's order.

    Attributes:
        cards: pictures, defective ones, their share, defects, not scored, coils, and what the gate
            hides: value, low, high.
        cameras: by camera: pictures, defective ones, their share.
        changes: by name of a share.
        coils: by coil: pictures, defective ones, defects, area, longest defect, not scored.
        reasons: by stage and error: pictures, given up, final.
        evaluated: by what a metric says: value, low, high, support.
        classes: by class: pictures, defects, area in pixels, in mm², longest defect.
        run: seconds, planned, skipped, pictures a second, waves.
    """

    cards: Numbers
    cameras: dict[str, Numbers]
    changes: dict[str, Numbers]
    coils: dict[str, Numbers]
    reasons: dict[tuple[str, str], Numbers]
    evaluated: dict[str, Numbers]
    classes: dict[str, Numbers]
    run: Numbers

    @property
    def count(self) -> int:
        """Number of figures."""
        tables = (
            self.cameras,
            self.changes,
            self.coils,
            self.reasons,
            self.evaluated,
            self.classes,
        )
        whole = [row for one in tables for row in dict(one).values()]
        return len(self.cards) + len(self.run) + sum(map(len, whole))


def on_page(page: Element) -> Figures:
    """Return the figures that a night's page states."""
    changed = _by_name(page, "changed")
    return Figures(
        cards=[value for one in page.all("div", "card") for value in one.figures],
        cameras={name: row for name, row in changed.items() if name.startswith("camera ")},
        changes={name: row for name, row in changed.items() if not name.startswith("camera ")},
        coils=_by_name(page, "strip"),
        reasons={
            (row[0].text, row[1].text): [value for cell in row for value in cell.figures]
            for row in _rows(page, "not-scored")
        },
        evaluated=_by_name(page, "trust"),
        classes=_by_name(page, "found"),
        run=page.by_id("provenance").figures,
    )


def _rows(page: Element, section: str) -> list[list[Element]]:
    return [row for table in page.by_id(section).all("table") for row in table.table_rows()]


def _by_name(page: Element, section: str) -> dict[str, Numbers]:
    return {
        row[0].text: [value for cell in row for value in cell.figures]
        for row in _rows(page, section)
    }


def by_sql(page: Element, output: str, classes: dict[int, str]) -> Figures:
    """Return the figures that the page's own SQL gives, taken from the page's text."""
    store = open_store(output)

    def asked(section: str, what: str) -> list[Row]:
        rows = query(store, page.by_id(section).statements()[what]).to_pylist()
        return [{name: _plain(value) for name, value in one.items()} for one in rows]

    run = page.by_id("provenance").all("dd")[0].text.partition(",")[0]
    (row,) = [one for one in asked("charts", "the nights") if one["run_id"] == run]
    failed = asked("not-scored", "one by one")
    changes = compare_with_usual(
        run,
        classes,
        Answer("", tuple(asked("changed", "pictures of the usual nights"))),
        Answer("", tuple(asked("changed", "classes of the usual nights"))),
    )
    (found,) = asked("found", "pictures")
    measured = {one["class_id"]: one for one in asked("found", "their defects")}
    return Figures(
        cards=card_figures(
            found,
            sum(one["defects"] for one in measured.values()),
            row["quarantined"],
            asked("trust", "audit, gate and second bundle"),
        ),
        cameras={
            f"camera {one['camera']}": camera_figures(one["pictures"], one["defective"])
            for one in asked("changed", "pictures by camera")
        },
        changes={one.name: _changed(one) for one in changes},
        coils=coil_figures(asked("strip", "coils"), asked("strip", "their defects"), failed),
        reasons={
            (one["stage"], one["error"]): [one["pictures"], one["given_up"], one["final"]]
            for one in asked("not-scored", "by reason")
        },
        evaluated=evaluated_figures(asked("trust", "the newest evaluation")),
        classes={
            one["class_name"]: [
                *(one["pictures"], measured[one["class_id"]]["defects"], one["area_px"]),
                *(measured[one["class_id"]]["area_mm2"], measured[one["class_id"]]["longest_mm"]),
            ]
            for one in asked("found", "classes")
        },
        run=[row[name] for name in OF_RUN],
    )


def _plain(value: Any) -> Any:
    """Return sums of whole numbers, which DuckDB gives as decimals, as whole numbers."""
    return int(value) if isinstance(value, Decimal) else value


OF_RUN = ("seconds", "planned", "skipped", "pictures_per_second", "waves")


def card_figures(found: Row, defects: int, quarantined: int, metrics: Sequence[Row]) -> Numbers:
    hidden = [
        one
        for one in metrics
        if (one["name"], one["scope"], one["labels"])
        == ("behind_gate_pictures", "overall", "audit")
    ]
    share = [found["defective"] / found["pictures"]] if found["pictures"] else []
    return [
        *(found["pictures"], found["defective"], *share, defects, quarantined, found["coils"]),
        *(one[name] for one in hidden for name in ("value", "low", "high")),
    ]


def camera_figures(pictures: int, defective: int) -> Numbers:
    return [pictures, defective, defective / pictures]


def _changed(one: Change) -> Numbers:
    return [one.tonight, one.usual, one.difference, one.low, one.high, one.least, one.most]


def coil_figures(
    coils: Sequence[Row], defects: Sequence[Row], failed: Sequence[Row]
) -> dict[str, Numbers]:
    lost = Counter(one["key"].partition("/")[0] for one in failed)
    told = {}
    for one in coils:
        own = [row for row in defects if row["coil"] == one["coil"]]
        if own or one["audit_found"] or lost[one["coil"]]:
            areas = [row["area_mm2"] for row in own]
            lengths = [row["longest_mm"] for row in own]
            told[one["coil"]] = [
                *(one["pictures"], one["defective"], sum(row["defects"] for row in own)),
                *([round(math.fsum(areas), 1), max(lengths)] if own else []),
                *([lost[one["coil"]]] if lost[one["coil"]] else []),
            ]
    return told


def evaluated_figures(metrics: Sequence[Row]) -> dict[str, Numbers]:
    by_name = {one["name"]: one for one in metrics}
    return {
        text: [by_name[name][column] for column in ("value", "low", "high", "support")]
        for text, name in _EVALUATED.items()
    }
