"""The nights of an output: its scoring runs, those of shadows left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from steeldefect.errors import TableError
from steeldefect.pictures.strip import PlaceSettings
from steeldefect.publish.runs import Outcome
from steeldefect.publish.thresholds import Thresholds
from steeldefect.report.answers import Answer, Asker
from steeldefect.report.questions import RUNS


@dataclass(frozen=True)
class NightRun:
    """One scoring run: its row of `runs`.

    Attributes:
        run_id, bundle, source: columns of its row.
        day: its partition.
        scored_at: its start (UTC).
        outcome, error: how it ended; `running` if its driver was killed.
        planned, skipped, scored, quarantined, defective, waves: numbers of pictures, and of waves.
        seconds, pictures_per_second: its duration, and pictures done a second.
        engine, settings, versions: JSON.
        classes: names of the bundle's classes, by id.
        thresholds: of the bundle; None if the tables do not state them.
    """

    run_id: str
    bundle: str
    source: str
    day: date
    scored_at: datetime
    outcome: Outcome
    error: str | None
    planned: int
    skipped: int
    scored: int
    quarantined: int
    defective: int
    waves: int
    seconds: float
    pictures_per_second: float
    engine: str | None
    settings: str
    versions: str
    classes: dict[int, str]
    thresholds: Thresholds | None

    @property
    def done(self) -> int:
        """Number of pictures that were scored or could not be scored."""
        return self.scored + self.quarantined

    @property
    def strip(self) -> PlaceSettings:
        """How the run took the place of a picture from its key."""
        return PlaceSettings.model_validate(json.loads(self.settings).get("strip") or {})

    @property
    def ended_well(self) -> bool:
        """Whether the run did all that it had planned."""
        return self.outcome in (Outcome.SUCCESS, Outcome.NOTHING_NEW)


@dataclass(frozen=True)
class Nights:
    """All nights, the oldest first.

    Attributes:
        runs: the runs.
        answer: the question behind them.
    """

    runs: tuple[NightRun, ...]
    answer: Answer

    def newest(self, count: int) -> tuple[NightRun, ...]:
        """Return the newest nights, the oldest of them first."""
        return self.runs[-count:]

    def named(self, run: str) -> NightRun:
        """Return the run whose id begins with some characters.

        Raises:
            TableError: no run does, or several do.
        """
        found = [one for one in self.runs if one.run_id.startswith(run)]
        if not found:
            raise TableError(f"no scoring run begins with {run}; see the table runs")
        if len(found) > 1:
            raise TableError(f"{len(found)} scoring runs begin with {run}; give more of the id")
        return found[0]

    def until(self, run: NightRun, count: int) -> tuple[NightRun, ...]:
        """Return a night and the nights before it, the oldest first, at most `count`."""
        place = self.runs.index(run) + 1
        return self.runs[max(place - count, 0) : place]

    def usual(self, run: NightRun, count: int) -> tuple[NightRun, ...]:
        """Return the nights that a night is compared with: earlier ones of its bundle."""
        before = self.runs[: self.runs.index(run)]
        return tuple(one for one in before if one.bundle == run.bundle and one.scored)[-count:]


def read_nights(asker: Asker) -> Nights:
    """Read all scoring runs of an output.

    Raises:
        TableError: there is none.
    """
    answer = asker.ask(RUNS)
    if not answer.rows:
        raise TableError("no scoring run in these tables yet; the page needs one")
    return Nights(tuple(map(_run, answer.rows)), answer)


def _run(row: dict[str, Any]) -> NightRun:
    stated = row["thresholds"]
    plain = {name: row[name] for name in NightRun.__dataclass_fields__ if name in row}
    return NightRun(
        **plain
        | {
            "day": row["scored_date"],
            "outcome": Outcome(row["outcome"]),
            "classes": {int(one): str(name) for one, name in json.loads(row["classes"]).items()},
            "thresholds": None if stated is None else Thresholds.model_validate_json(stated),
        }
    )


def span(runs: Sequence[NightRun]) -> tuple[tuple[str, ...], date]:
    """Return the ids of some nights, and the first of their days."""
    return tuple(one.run_id for one in runs), min(one.day for one in runs)
