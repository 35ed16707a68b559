"""Run the scoring job from Python: `score`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steeldefect.run import ScoringRun, open_run
from steeldefect.settings import GivenSettings, ScoreRequest, settings_from
from steeldefect.spark.callers_session import callers_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class ScoreResult:
    """The result of one run. `str()` returns the summary.

    Attributes:
        run_id: id of the run, as in every table.
        bundle: digest of the bundle that scored.
        planned: number of pictures under the input.
        skipped: number of pictures that this bundle had scored or given up before.
        scored: number of rows added to `images`.
        quarantined: number of rows added to `quarantine`.
        defective: number of scored pictures with a defect.
        waves: number of waves that were published.
        seconds: seconds from the start of the first wave to the end of the last wave.
        summary: these numbers in one sentence.
        shadow_run: id of the run of the shadow bundle; None if there was none, or if it had
            nothing to score.
    """

    run_id: str
    bundle: str
    planned: int
    skipped: int
    scored: int
    quarantined: int
    defective: int
    waves: int
    seconds: float
    summary: str
    shadow_run: str | None = None

    def __str__(self) -> str:
        """Return the summary."""
        return self.summary


def score(
    input: str | Path,
    bundle: str | Path,
    output: str | Path,
    *,
    inventory: str | Path | None = None,
    shadow: str | Path | None = None,
    spark: SparkSession | None = None,
    settings: GivenSettings = None,
) -> ScoreResult:
    """Score the new pictures of an archive into tables, as `jobs/score.py` does.

    Args:
        input: address of the pictures: a folder or `s3://bucket/prefix`.
        bundle: address of the bundle: a folder, `s3://bucket/prefix`, or an alias of a registry.
        output: address of the tables: a folder or `s3://bucket/prefix`.
        inventory: address of a table of the input's keys; None to list the input.
        shadow: address of a second bundle that scores the same pictures beside the first: its rows
            have a run and a digest of their own, and the table `agreement` compares both.
        spark: session to use; it stays open. None: the session that is open in this process; if
            no session is open, a local one, which is stopped at the end.
        settings: settings: `ScoreSettings`, a mapping, or the path of a YAML file.

    Raises:
        SteelDefectError: the run failed. The type says why, the message says what to do. Published
            waves stay; the next run continues.

    Example:
        >>> import steeldefect
        >>> result = steeldefect.score("demo/archive/images", "demo/bundle", "demo/scored")
        >>> result.scored == result.planned
        True
        >>> again = steeldefect.score("demo/archive/images", "demo/bundle", "demo/scored")
        >>> (again.scored, again.skipped == again.planned)
        (0, True)
    """
    request = ScoreRequest(
        str(input),
        str(bundle),
        str(output),
        settings_from(settings),
        None if inventory is None else str(inventory),
        None if shadow is None else str(shadow),
    )
    return score_request(request, callers_session(spark))


def score_request(request: ScoreRequest, spark: SparkSession | None = None) -> ScoreResult:
    """Score as `score` does.

    Args:
        request: what is scored, and how.
        spark: session to use, which stays open; None for a local one.

    Raises:
        SteelDefectError: the run failed; see `score`.
    """
    with open_run(request, spark) as run:
        run.recover()
        run.make_plan()
        with run.scored_waves() as waves:
            for wave in waves:
                run.publish(wave)
        run.watch()
    return _result(run)


def _result(run: ScoringRun) -> ScoreResult:
    totals = run.totals
    return ScoreResult(
        run_id=run.origin.run_id,
        bundle=run.bundle.digest,
        planned=run.plan.counts.listed,
        skipped=run.plan.counts.skipped,
        scored=totals.scored,
        quarantined=totals.quarantined,
        defective=totals.defective,
        waves=totals.waves,
        seconds=totals.seconds,
        summary=run.summary(),
        shadow_run=None if run.shadow is None else run.shadow.origin.run_id,
    )
