"""Watch a scoring run: what the gate hides, what has drifted, which marks repeat, and shadows.

The rows have the provenance of the run that was watched. To watch a run again replaces its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from steeldefect.analysis.sql import opened_database
from steeldefect.evaluation.bundle_agreement import (
    DEFECTIVE_DIFFERENCE,
    VERDICT_AGREEMENT,
    agreement_of,
)
from steeldefect.repeats.on_spark import Found, find_all_places, find_all_rolls
from steeldefect.repeats.rows import REPEAT_SCHEMA
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import Origin, whole_rows, with_provenance
from steeldefect.tables.schema import TableName
from steeldefect.watch.behind_gate import Hidden, estimate_hidden, estimate_true_hidden
from steeldefect.watch.bundle_reference import kept_reference, reference_of_run
from steeldefect.watch.compare import DriftReport, compare
from steeldefect.watch.gate_estimate import GateExpectation, expect_gate
from steeldefect.watch.night import (
    Audit,
    Night,
    audit_of,
    defects_around,
    find_night,
    gate_answers,
    observed_on,
    shadows_of,
)
from steeldefect.watch.profiles import profile
from steeldefect.watch.reference import Reference
from steeldefect.watch_settings import WatchSettings

AUDIT, REVIEWS, PROBABILITIES = "audit", "reviews", "gate_probability"
SHADOW = "shadow "
"""What the metrics of the watch are compared with: values of the column `labels`; the digest of
the shadow's bundle follows `SHADOW`."""

Sessions = Callable[[], AbstractContextManager[SparkSession]]
"""Opens Spark, if it is needed."""


@dataclass(frozen=True)
class Watched:
    """What the watch found in one scoring run.

    Attributes:
        night: the run.
        drift: the comparison with the reference; None without a reference.
        audit: what the audit of the gate found.
        metrics: rows of `metrics`, without provenance.
        repeats: rows of `repeats`, without provenance.
        notes: what could not be looked at, and why.
    """

    night: Night
    drift: DriftReport | None
    audit: Audit
    metrics: list[dict[str, Any]]
    repeats: pa.Table
    notes: tuple[str, ...]

    @property
    def alarms(self) -> tuple[str, ...]:
        """Return a sentence for each cause of an alarm of the drift."""
        return () if self.drift is None else self.drift.summary

    def findings(self) -> str:
        """Return the alarms and the repeats for people, one a line; empty without any."""
        repeats = self.repeats["sentence"].to_pylist()
        return "\n".join(
            [f"drift: {one}" for one in self.alarms] + [f"repeat: {one}" for one in repeats]
        )

    def report(self) -> str:
        """Return the result for people."""
        lines = [f"run {self.night.run_id}, bundle {self.night.bundle[:12]}", *self._gate()]
        lines += self._shadows()
        if self.drift is not None and not self.alarms:
            compared = sum(row.threshold is not None for row in self.drift.rows)
            lines.append(
                f"no drift: {compared} quantities compared with {self.drift.rows[0].reference}"
            )
        if found := self.findings():
            lines.append(found)
        return "\n".join([*lines, *(f"note: {one}" for one in self.notes)])

    def _gate(self) -> Iterator[str]:
        for row in self.metrics:
            if row["name"] == "behind_gate_pictures" and row["scope"] == "overall":
                by = "the audit" if row["labels"] == AUDIT else "people"
                said = "unknown" if row["value"] is None else f"{row['value']:.0f}"
                between = "" if row["low"] is None else f" ({row['low']:.0f} to {row['high']:.0f})"
                yield (
                    f"defective pictures behind the gate, by {by}: {said}{between} of "
                    f"{self.audit.stopped} that it stopped; {row['support']} looked at"
                )

    def _shadows(self) -> Iterator[str]:
        of_all = [one for one in self.metrics if one["scope"] == "overall"]
        for same in (one for one in of_all if one["name"] == VERDICT_AGREEMENT):
            differs = next(
                one
                for one in of_all
                if (one["name"], one["labels"]) == (DEFECTIVE_DIFFERENCE, same["labels"])
            )
            yield (
                f"{same['labels'][: len(SHADOW) + 12]}: the same classes found on "
                f"{same['value']:.2%} of {same['support']} pictures ({same['low']:.2%} to "
                f"{same['high']:.2%}); share of defective pictures {differs['value']:+.2%} "
                f"({differs['low']:+.2%} to {differs['high']:+.2%})"
            )


def watch_run(
    store: Store, settings: WatchSettings, run: str | None, sessions: Sessions
) -> Watched:
    """Compute audit, drift, repeats and agreement of one scoring run; nothing is written.

    Args:
        store: the output.
        settings: what is watched.
        run: id of the run, or its first characters; None for the newest.
        sessions: opens Spark; called only if defects have coils.

    Raises:
        TableError: there is no such run, or the tables cannot be read.
        DataError: the stored reference cannot be read.
        WaveError: Spark failed.
    """
    with opened_database(store) as connection:
        night = find_night(connection, run)
        observed = observed_on(connection, night)
        reference = _reference(store, connection, night, settings)
        drift = None
        if reference is not None:
            drift = compare(profile(observed), reference, settings)
        audit = audit_of(connection, night)
        metrics = [
            *_hidden_rows(audit, night),
            *_expected_rows(connection, night, drift),
            *_agreement_rows(connection, night),
        ]
        around = defects_around(connection, night, settings.days)
    repeats, notes = _repeats(around, settings, sessions)
    if drift is None:
        why = f"no reference: bundle {night.bundle[:12]} holds none, and watch.reference names none"
        notes = (f"{why}; drift is not known", *notes)
    else:
        notes = (*drift.notes, *notes)
    if audit.stopped and not audit.audited:
        notes = (f"none of {audit.stopped} stopped pictures was audited (audit_share)", *notes)
    return Watched(night, drift, audit, metrics, repeats, notes)


def publish(store: Store, watched: Watched, check: Callable[[], None]) -> None:
    """Write what was found to `metrics`, `drift` and `repeats`; earlier rows of it are replaced.

    Args:
        store: the output.
        watched: what was found.
        check: called before each commit; raises if another run has taken the output over.

    Raises:
        OutputBusyError: another run has taken the output over.
        StoreUnavailableError, TableError: a table cannot be written.
    """
    night, tables = watched.night, Tables(store)
    origin = Origin(night.run_id, night.bundle, night.scored_at, night.run_number)
    drift = [] if watched.drift is None else [asdict(row) for row in watched.drift.rows]
    rows = {
        TableName.METRICS: whole_rows(TableName.METRICS, watched.metrics, origin),
        TableName.DRIFT: whole_rows(TableName.DRIFT, drift, origin),
        TableName.REPEATS: with_provenance(TableName.REPEATS, watched.repeats, origin),
    }
    for table, those in rows.items():
        check()
        tables.replace(table, those, {"run_id": night.run_id})


def _reference(
    store: Store, connection: duckdb.DuckDBPyConnection, night: Night, settings: WatchSettings
) -> Reference | None:
    if settings.reference is None:
        return kept_reference(store, night.bundle)
    return reference_of_run(connection, settings.reference)


def _hidden_rows(audit: Audit, night: Night) -> Iterator[dict[str, Any]]:
    """Yield the metrics of the audit: what the gate hides by the models, and by people."""
    if not audit.stopped:
        return
    yield from _both(estimate_hidden(audit.stopped, audit.audited, audit.flagged), AUDIT)
    for class_id, name in night.classes.items():
        found = audit.by_class.get(class_id, 0)
        hidden = estimate_hidden(audit.stopped, audit.audited, found)
        yield from _both(hidden, AUDIT, class_id, name)
    reviewed = audit.reviewed
    if reviewed.flagged_seen + reviewed.clear_seen:
        yield from _both(estimate_true_hidden(reviewed), REVIEWS)


def _both(
    hidden: Hidden, labels: str, class_id: int | None = None, class_name: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield an estimate as a rate and as a number of pictures."""
    shared = {
        "scope": "overall" if class_id is None else "class",
        "class_id": class_id,
        "class_name": class_name,
        "support": hidden.seen,
        "labels": labels,
    }
    shares = {"value": hidden.rate, "low": hidden.low, "high": hidden.high}
    yield shared | {"name": "behind_gate_rate"} | shares
    pictures = {name: hidden.pictures(share) for name, share in shares.items()}
    yield shared | {"name": "behind_gate_pictures"} | pictures


def _expected_rows(
    connection: duckdb.DuckDBPyConnection, night: Night, drift: DriftReport | None
) -> Iterator[dict[str, Any]]:
    """Yield recall and precision of the gate as its probabilities promise them."""
    answers = gate_answers(connection, night)
    if not answers.num_rows:
        return
    report = drift or DriftReport((), (), ())
    expected: GateExpectation = expect_gate(
        answers["gate_probability"].to_numpy(), answers["passed"].to_numpy(), report
    )
    for name, value, interval in (
        ("expected_gate_recall", expected.recall, expected.recall_interval),
        ("expected_gate_precision", expected.precision, expected.precision_interval),
    ):
        low, high = interval or (None, None)
        yield {
            "scope": "overall",
            "name": name,
            "value": value,
            "low": low,
            "high": high,
            "support": expected.pictures,
            "labels": PROBABILITIES,
            "invalid": None if expected.valid else expected.reason,
        }


def _agreement_rows(
    connection: duckdb.DuckDBPyConnection, night: Night
) -> Iterator[dict[str, Any]]:
    """Yield how far each shadow agrees with the run."""
    for run_id, bundle in shadows_of(connection, night).items():
        for figure in agreement_of(connection, [run_id], (night.day, night.day)):
            yield asdict(figure) | {
                "scope": "overall" if figure.class_id is None else "class",
                "labels": f"{SHADOW}{bundle}",
            }


def _repeats(
    around: pa.Table, settings: WatchSettings, sessions: Sessions
) -> tuple[pa.Table, tuple[str, ...]]:
    """Search rolls on the run's coils, and fixed places on all recent coils."""
    if not around.num_rows:
        return REPEAT_SCHEMA.empty_table(), ()
    if around["coil"].null_count == around.num_rows:
        return REPEAT_SCHEMA.empty_table(), (
            "coils are not known: repeats were not searched (setting strip)",
        )
    tonight = around.filter(around["tonight"])
    plain = [one.drop_columns("tonight") for one in (tonight, around)]
    with sessions() as session:
        rolls, places = (session.createDataFrame(one) for one in plain)
        found = [
            find_all_rolls(rolls, settings.rolls),
            find_all_places(places, settings.fixed_places),
        ]
    return pa.concat_tables([one.repeats for one in found]), _notes_of(found, tonight)


def _notes_of(found: list[Found], tonight: pa.Table) -> tuple[str, ...]:
    notes = [note for one in found for note in one.notes if note != "nothing was left out"]
    if pc.all(pc.is_null(tonight["along_mm"])).as_py():
        notes.append("positions along the strip are not known: rolls were not searched")
    return tuple(dict.fromkeys(notes))
