"""Find objections to a promotion in the nights that a bundle scored beside the one that stands."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from steeldefect.analysis.sql import opened_database
from steeldefect.evaluation.bundle_agreement import (
    AREA_DIFFERENCE,
    VERDICT_AGREEMENT,
    AgreementFigure,
    agreement_of,
)
from steeldefect.stores import S3Settings, open_store

LEAST_AGREEMENT = 0.95
"""Share of the pictures on which both bundles must find the same classes, unless asked otherwise.

A better bundle differs from the one that stands, too: this bound stops a bundle that changes what
the plant sees from one night to the next, until a person has looked and lowers the bound."""


@dataclass(frozen=True)
class RequiredAgreement:
    """The nights that a bundle must have scored as a shadow before it is promoted.

    Attributes:
        nights: number of days (UTC) with a run in which it was the shadow of the bundle that
            stands; the newest count.
        tables: address of the tables.
        least: smallest lower end of the 95% interval of `verdict_agreement`, 0 to 1.
    """

    nights: int
    tables: str
    least: float = LEAST_AGREEMENT


@dataclass(frozen=True)
class ShadowNights:
    """What these nights say.

    Attributes:
        figures: how far the two agree; empty without a night.
        nights: number of nights.
        objections: why the bundle should not be promoted.
    """

    figures: tuple[AgreementFigure, ...]
    nights: int
    objections: tuple[str, ...]

    def __str__(self) -> str:
        """Return the figures, one a line."""
        lines = [f"as a shadow of what stands, in {self.nights} nights:"]
        lines += [f"  {_told(one)}" for one in self.figures if one.value is not None]
        return "\n".join(lines)


def judge_nights(
    required: RequiredAgreement, digest: str, standing: str | None, s3: S3Settings
) -> ShadowNights:
    """Compare a bundle with the one that stands, over the newest nights in which both scored.

    Args:
        required: how many nights, and how far they have to agree.
        digest: digest of the bundle.
        standing: digest of the bundle that stands; None if none does.
        s3: settings of the S3 connection.

    Raises:
        TableError: the tables cannot be read.
        StoreError: the store refused, or does not answer.
    """
    if standing is None:
        return ShadowNights((), 0, ("nothing stands, so it cannot have been its shadow",))
    with opened_database(open_store(required.tables, s3)) as connection:
        rows = connection.execute(_RUNS, [digest, standing, required.nights]).fetchall()
        runs = [run for run, _, _ in rows]
        days = sorted({day for _, day, compared in rows if compared})
        nights = len(days)
        figures = tuple(agreement_of(connection, runs, (days[0], days[-1]))) if days else ()
        failed = _failures(connection, runs)
    objections = []
    if nights < required.nights:
        objections.append(
            f"it was the shadow of {standing[:12]} in {nights} nights at {required.tables}, "
            f"{required.nights} are required"
        )
    if failed:
        objections.append(f"as a shadow it failed on {failed} pictures that {standing[:12]} scored")
    if nights and not any(one.name == VERDICT_AGREEMENT for one in figures):
        objections.append(f"it has no class in common with {standing[:12]}, by their names")
    objections += [
        f"the nights differ: {_told(one)}; the lower end must be at least "
        f"{required.least:.2%} (--least-agreement)"
        for one in figures
        if one.name == VERDICT_AGREEMENT and (one.low is None or one.low < required.least)
    ]
    return ShadowNights(figures, nights, tuple(objections))


def _failures(connection: duckdb.DuckDBPyConnection, runs: list[str]) -> int:
    """Count the pictures that the shadow did not score, and the bundle that led did."""
    ((count,),) = connection.execute(_FAILED, [runs]).fetchall()
    return int(count)


def _told(figure: AgreementFigure) -> str:
    """Return a figure with its interval for people."""
    form = {AREA_DIFFERENCE: "+.1f", VERDICT_AGREEMENT: ".2%"}.get(figure.name, ".4f")
    of = "" if figure.class_name is None else f" of {figure.class_name}"
    between = ""
    if figure.low is not None and figure.high is not None:
        between = f" (95%: {figure.low:{form}} to {figure.high:{form}})"
    value = 0.0 if figure.value is None else figure.value
    return f"{figure.name}{of}: {value:{form}}{between}, {figure.support} pictures"


_RUNS = """
WITH beside AS (
    SELECT shadow.run_id, shadow.scored_date AS day,
        shadow.run_id IN (
            SELECT shadow_run FROM agreement WHERE shadow_bundle = $1
        ) AS compared
    FROM runs AS shadow JOIN runs AS led ON led.run_id = shadow.shadow_of
    WHERE shadow.bundle = $1 AND led.bundle = $2
), nights AS (
    SELECT DISTINCT day FROM beside WHERE compared ORDER BY day DESC LIMIT $3
)
SELECT run_id, day, compared FROM beside WHERE day >= (SELECT min(day) FROM nights)
ORDER BY day, run_id
"""
"""The runs as a shadow since the first of the newest nights; those without a comparison as well, so
that a night on which the shadow failed counts against it."""
_FAILED = """
SELECT count(*) FROM quarantine AS failed
JOIN runs AS shadow ON shadow.run_id = failed.run_id
SEMI JOIN images ON images.run_id = shadow.shadow_of
    AND images.source = failed.source AND images.key = failed.key
WHERE list_contains($1, failed.run_id)
"""
