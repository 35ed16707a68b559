"""The steps of a scoring run; `jobs/score.py` calls them in order."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

from steeldefect.bundle.fetch import fetch_bundle
from steeldefect.bundle.files import Bundle
from steeldefect.errors import OutputBusyError
from steeldefect.plan.pictures import find_pictures
from steeldefect.plan.plan import DealtWith, dealt_with
from steeldefect.plan.run_plan import PATIENCE, Counts, RunPlan
from steeldefect.program import interruption, log_format, progress
from steeldefect.program.tracebacks import described
from steeldefect.publish import lease
from steeldefect.publish.audit import audit_wave
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.foreign_tables import require_own_tables
from steeldefect.publish.lineage import Lineage, RunFacts, lineage_told
from steeldefect.publish.metrics_file import Found, MetricsFile, metrics_written
from steeldefect.publish.runs import Outcome, RunRecord, new_run_id, record_run
from steeldefect.publish.thresholds import Thresholds
from steeldefect.publish.wave_records import WaveRecord
from steeldefect.scoring.failure_share import check_failures
from steeldefect.scoring.shipment import Shipment, needed_forms
from steeldefect.scoring.totals import Totals
from steeldefect.scoring.waves import ScoredWave, Waves
from steeldefect.settings import ScoreRequest
from steeldefect.spark.callers_session import session_for
from steeldefect.stopwatch import Stopwatch
from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import Origin
from steeldefect.upkeep.health import require_sound

if TYPE_CHECKING:
    from steeldefect.watch.watch import Watched

_LOG = logging.getLogger(__name__)


@dataclass
class ShadowRun:
    """The run of a second bundle that scores the same pictures, beside the run that leads.

    Attributes:
        bundle: the bundle.
        origin: provenance of its rows; its run is not that of the bundle that leads.
        totals: its counts.
    """

    bundle: Bundle
    origin: Origin
    totals: Totals = field(default_factory=Totals)


class ScoringRun:
    """A scoring run that holds the lease of its output; see `open_run`.

    Attributes:
        origin: provenance of its rows.
        bundle: the bundle that leads.
        settings: settings of the run.
        totals: its counts.
        plan: its pictures, and those of the shadow.
        request: what was asked for.
        shadow: the run of the shadow bundle; None without one, or if it has nothing to score.
    """

    def __init__(
        self,
        request: ScoreRequest,
        bundle: Bundle,
        plan: RunPlan,
        held: lease.Lease,
        origin: Origin,
        stopwatch: Stopwatch,
        session: SparkSession | None = None,
    ) -> None:
        """Set the parts of a run; callers use `open_run` instead."""
        self.shadow: ShadowRun | None = None
        self.metrics = MetricsFile(None)
        self.lineage = Lineage(wanted=False)
        self._told = Counts()  # the numbers of the plan that were said
        self._completed: set[str] = set()  # runs that died, and had a wave left to complete
        self.origin = origin
        self._stopwatch = stopwatch
        self.bundle = bundle
        self.settings = request.settings
        self.totals = Totals()
        self.plan = plan
        self.request = request
        self._session = session
        self._waves_began = 0.0
        self._lease = held
        self._source = open_store(request.input_uri, request.settings.s3)
        self._output = open_store(request.output_uri, request.settings.s3)
        self._tables = Tables(self._output)
        self._log = WaveLog(self._tables)

    def recover(self) -> None:
        """Complete the waves that a dead run left unfinished, then check that all tables agree.

        Raises:
            OutputBusyError: another run has taken the output over.
            TableError: a wave cannot be completed, or the tables are damaged.
        """
        for record in self._log.recover(self._lease.number):
            _LOG.warning("completed wave %d of run %s", record.wave, record.run_id)
            self._completed.add(record.run_id)
        self._log.require_claim()
        self._lease.check()
        with self._stopwatch.measure("check"):
            require_sound(self._output)

    def make_plan(self) -> Counts:
        """Find the pictures that are still to be scored.

        If that takes long, it goes on while the first of them are scored.

        Returns:
            The numbers of the plan so far.

        Raises:
            TableError: a table cannot be read.
            StoreError, DataError: the pictures cannot be listed.
        """
        with self._stopwatch.measure("plan"):
            leading = self._dealt_with(self.bundle)
            shadow = None if self.shadow is None else self._dealt_with(self.shadow.bundle)
        self.plan.start(leading, shadow, self._stopwatch)
        counts = self.plan.wait(PATIENCE)
        if counts.whole and not counts.beside:
            self.plan.drop_shadow()
            self.shadow = None
        self._tell_plan(counts)
        return counts

    def _dealt_with(self, bundle: Bundle) -> DealtWith:
        return dealt_with(self._tables, self._source.uri, bundle.digest, self.settings)

    def _tell_plan(self, counts: Counts) -> None:
        """Say the numbers of the plan; they may not be final yet."""
        self._told = counts
        so_far = "" if counts.whole else " so far"
        progress.say(
            f"{counts.listed} pictures under {self._source.uri}{so_far}, {counts.skipped} of them "
            f"dealt with by bundle {self.bundle.digest[:12]}; {counts.todo} to score"
            f"{self._in_waves(counts)}{self._beside(counts)}"
        )

    def _in_waves(self, counts: Counts) -> str:
        if not counts.whole:
            return " so far, while the listing goes on"
        stated = self.settings.wave_pictures
        if isinstance(stated, int):
            return f" in {counts.waves(stated)} waves"
        return ", in waves of about a minute"

    def _beside(self, counts: Counts) -> str:
        if self.shadow is None:
            return ""
        return f"; {counts.beside} of them by shadow {self.shadow.bundle.digest[:12]} as well"

    @contextmanager
    def scored_waves(self) -> Iterator[Iterator[ScoredWave]]:
        """Score the planned pictures on Spark and show progress; yield the waves in their order.

        If there is nothing to score, Spark is not started.
        """
        if not self.plan.counts.todo:
            yield iter(())
            return
        with session_for("steeldefect score", self._session) as session:
            shadow = None
            if self.shadow is not None:
                shadow = (self.shadow.bundle, self.shadow.origin)
            shipment = Shipment(session, self.request, self.bundle, self.origin, shadow)
            counters = shipment.counters
            waves = Waves(session, self.settings, shipment.task)
            planned = self.plan.waves(waves.pictures, waves.given_up)
            with (
                progress.shown(
                    self._total, lambda: counters.done.value, lambda: counters.failed.value
                ),
                closing(waves.scored(planned)) as scored,
            ):
                self._waves_began = time.monotonic()
                log_format.set_wave(1)
                yield scored

    def _total(self) -> progress.Total:
        counts = self.plan.counts
        return progress.Total(counts.todo, counts.whole)

    def publish(self, wave: ScoredWave) -> None:
        """Audit a scored wave, and publish it.

        Raises:
            AuditError: the wave's parts do not match its plan.
            FailureShareError: too many pictures have failed.
            OutputBusyError: another run has taken the output over.
        """
        with self._stopwatch.measure("publish"):
            self._publish(wave)
        log_format.set_wave(None if wave.last else wave.number + 1)
        if not self._told.whole and self.plan.counts.whole:
            self._tell_plan(self.plan.counts)
        self.totals.seconds = time.monotonic() - self._waves_began
        self.metrics.rows = self._rows(Outcome.RUNNING, None, self.totals.seconds)
        self.metrics.write()

    def _publish(self, wave: ScoredWave) -> None:
        settings, totals, beside = self.settings, self.totals, wave.shadow
        for one in filter(None, (wave, beside)):
            audit_wave(self._output, one.keys, one.reports, settings.audit_masks)
        check_failures(wave.failures, wave.new, settings, "this wave")
        check_failures(
            totals.failures + wave.failures, totals.new + wave.new, settings, "this wave"
        )
        if totals.waves == 0:
            self._lease.check()
            self._tables.create_all()
            self.record(Outcome.RUNNING, None, 0.0)  # rows need their run, even if it dies later
        # one record for both, so that the pictures of a wave have both answers or none
        parts = [
            part
            for one in filter(None, (wave, beside))
            for report in one.reports
            for part in report.parts
        ]
        record = WaveRecord(self.origin.run_id, wave.number, parts, self._lease.number)
        with interruption.postponed():
            self._log.publish(record, self._lease.check)
            totals.add(wave)
            if self.shadow is not None and beside is not None:
                self.shadow.totals.add(beside)

    def watch(self) -> str:
        """Watch what this run has scored, and the runs that it has completed, if settings say so.

        A failure, or a fault of the program, does not fail the run, whose pictures are published:
        it is a warning.

        Returns:
            The alarms and repeats of this run for people; empty if there are none.

        Raises:
            OutputBusyError: another run has taken the output over.
        """
        if not self.settings.watch.after_score:
            return ""
        for run_id in sorted(self._completed):
            self._watch(run_id)
        watched = self._watch(self.origin.run_id) if self.totals.scored else None
        if watched is None:
            return ""
        self.metrics.found = Found(len(watched.alarms), watched.repeats.num_rows)
        return watched.findings()

    def _watch(self, run_id: str) -> Watched | None:
        """Watch a run, and publish what is found; None after a failure, which is a warning."""
        # imported here: it takes a second, and a run without new pictures does not need it
        from steeldefect.watch.bundle_reference import keep_reference
        from steeldefect.watch.watch import publish, watch_run

        try:
            with self._stopwatch.measure("watch"):
                keep_reference(self._output, self.bundle)
                watched = watch_run(
                    self._output,
                    self.settings.watch,
                    run_id,
                    lambda: session_for("steeldefect watch", self._session),
                )
                publish(self._output, watched, self._lease.check)
        except OutputBusyError:
            raise
        except Exception as error:
            _LOG.warning(
                "all pictures are published, but the watch failed: %s; steeldefect watch --output "
                "%s --run %s does it again",
                described(error),
                self._output.uri,
                run_id,
            )
            return None
        return watched

    def record(self, outcome: Outcome, error: str | None, seconds: float) -> None:
        """Write the row of this run to the table `runs`, and the row of its shadow.

        Raises:
            OutputBusyError: another run has taken the output over; nothing is written.
        """
        self.metrics.rows = self._rows(outcome, error, seconds)
        self.lineage.record = self.metrics.rows[0][1]
        self._lease.check()
        # the shadow's first: who checks the tables meanwhile knows the run that leads by the lease
        for origin, record in reversed(self.metrics.rows):
            record_run(self._tables, origin, record)

    def _rows(
        self, outcome: Outcome, error: str | None, seconds: float
    ) -> list[tuple[Origin, RunRecord]]:
        """Return the row of this run for the table `runs`, and that of its shadow."""
        stages = self.totals.stage_seconds | Counter(self._stopwatch.seconds)
        counts = self.plan.counts
        led = self._record(self.bundle, self.totals, counts.listed, counts.skipped)
        rows = [(self.origin, replace(led, outcome=outcome, stage_seconds=json.dumps(stages)))]
        if self.shadow is not None:
            shadow = self.shadow
            shadow.totals.seconds = self.totals.seconds
            beside = self._record(
                shadow.bundle, shadow.totals, counts.todo, counts.todo - counts.beside
            )
            if outcome is Outcome.SUCCESS and not shadow.totals.done:
                outcome = Outcome.NOTHING_NEW
            row = replace(beside, outcome=outcome, shadow_of=self.origin.run_id)
            rows.append((shadow.origin, row))
        return [(origin, replace(row, error=error, seconds=seconds)) for origin, row in rows]

    def lineage_facts(self) -> RunFacts:
        """Return what OpenLineage events name: the archive, the bundles and the tables."""
        shadow = self.shadow
        return RunFacts(
            run_id=self.origin.run_id,
            source=self._source.uri,
            bundle_uri=self.request.bundle_uri,
            bundle=self.bundle.digest,
            output=self._output.uri,
            shadow_uri=None if shadow is None else self.request.shadow_uri,
            shadow=None if shadow is None else shadow.bundle.digest,
        )

    def _record(self, bundle: Bundle, totals: Totals, planned: int, skipped: int) -> RunRecord:
        """Return what `runs` states of one of the bundles; the run has not ended."""
        return RunRecord(
            job="score",
            source=self._source.uri,
            outcome=Outcome.RUNNING,
            planned=planned,
            skipped=skipped,
            scored=totals.scored,
            quarantined=totals.quarantined,
            defective=totals.defective,
            waves=totals.waves,
            seconds=0.0,
            pictures_per_second=totals.rate,
            stage_seconds=json.dumps(totals.stage_seconds),
            engine=json.dumps(totals.engines),
            settings=self.settings.model_dump_json(),
            classes=json.dumps({one.id: one.name for one in bundle.manifest.outlined_classes}),
            thresholds=Thresholds.of(bundle.manifest).model_dump_json(),
        )

    def summary(self) -> str:
        """Return one line about what the run did."""
        totals, counts = self.totals, self.plan.counts
        if totals.done == 0:
            return (
                f"nothing new: all {counts.listed} pictures under {self._source.uri} are "
                f"dealt with by bundle {self.bundle.digest[:12]} ({counts.given_up} of them in "
                "quarantine for good; --set retry_quarantined=true tries those again)"
            )
        again = totals.failures.again
        failed_before = f"; {again} of those in quarantine had failed before" if again else ""
        return (
            f"scored {totals.scored} pictures ({totals.defective} with defects, "
            f"{totals.quarantined} in quarantine, {counts.skipped} skipped{failed_before}) in "
            f"{totals.seconds:.0f} s, {totals.rate:.1f} pictures/s; tables at {self._output.uri}"
            f"{self._shadow_summary()}"
        )

    def _shadow_summary(self) -> str:
        if self.shadow is None:
            return ""
        totals, digest = self.shadow.totals, self.shadow.bundle.digest[:12]
        examples = totals.failures.examples[:1]
        why = f", such as {examples[0]}" if examples else ""
        return (
            f"\nshadow {digest} scored {totals.scored} of them ({totals.defective} with defects, "
            f"{totals.quarantined} in quarantine{why})"
        )


@contextmanager
def open_run(request: ScoreRequest, session: SparkSession | None = None) -> Iterator[ScoringRun]:
    """Check bundle, input and output, then hold the output's lease while the block runs.

    Nothing is written before the bundle is verified and a picture is found under the input. The
    run is recorded in the table `runs` when the block ends, with or without an error.

    Args:
        request: input, bundle, output and settings of the run.
        session: Spark's session, which stays open; None to open one for the waves.

    Raises:
        SettingsError: the metrics file cannot be where the request says, or lineage is wanted and
            its package is missing.
        BundleError: a bundle is missing, damaged, or not signed as the settings require.
        EmptyInputError: no picture lies under the input.
        SettingsError: `strip.key_pattern` fits no key, or nothing states an attribute.
        DataError: the inventory, or what the pattern finds in a key, is not as it has to be.
        StoreError: input or output cannot be read.
        OutputBusyError: another run held the output longer than `lock_wait_seconds`.
    """
    with (
        metrics_written(request.metrics_file) as metrics,
        lineage_told(wanted=request.lineage) as lineage,
        _opened_run(request, session) as run,
    ):
        run.metrics, run.lineage = metrics, lineage
        lineage.start(run.lineage_facts())
        yield run


@contextmanager
def _opened_run(request: ScoreRequest, session: SparkSession | None) -> Iterator[ScoringRun]:
    """Do what `open_run` says, without the metrics file."""
    settings = request.settings
    began = time.monotonic()
    bundle = fetch_bundle(request.bundle_uri, settings.s3, settings.trusted_keys)
    bundle.require(needed_forms(settings, bundle.manifest.compiled, gpus_scheduled=False))
    second = _shadow_bundle(request, bundle)
    stopwatch = Stopwatch()
    with stopwatch.measure("list"):
        pictures = find_pictures(request)
    now = datetime.now(UTC)
    run_id = new_run_id(now)
    log_format.set_run(run_id)
    output = open_store(request.output_uri, settings.s3)
    require_own_tables(output)
    with (
        lease.hold(output, run_id, settings.lock_wait_seconds, on_wait=_say_waiting) as held,
        closing(RunPlan(pictures)) as plan,
    ):
        origin = Origin(run_id, bundle.digest, now, held.number)
        run = ScoringRun(request, bundle, plan, held, origin, stopwatch, session)
        if second is not None:
            of_shadow = Origin(new_run_id(now), second.digest, now, held.number)
            run.shadow = ShadowRun(second, of_shadow)
        try:
            yield run
            outcome = Outcome.SUCCESS if run.totals.done else Outcome.NOTHING_NEW
            run.record(outcome, None, time.monotonic() - began)
        except BaseException as error:
            _record_failure(run, error, time.monotonic() - began)
            raise


def _shadow_bundle(request: ScoreRequest, leading: Bundle) -> Bundle | None:
    """Fetch and verify the shadow's bundle; None without one, or if it is the one that leads.

    An alias may come to stand for the bundle that leads: that must not end the night.
    """
    settings = request.settings
    if request.shadow_uri is None:
        return None
    shadow = fetch_bundle(request.shadow_uri, settings.s3, settings.trusted_keys)
    shadow.require(needed_forms(settings, shadow.manifest.compiled, gpus_scheduled=False))
    if shadow.digest != leading.digest:
        return shadow
    _LOG.warning(
        "%s is the bundle that leads (%s): it is not scored a second time",
        request.shadow_uri,
        leading.digest[:12],
    )
    return None


def _say_waiting(holder: str) -> None:
    _LOG.warning("waiting for %s to end", holder)


def _record_failure(run: ScoringRun, error: BaseException, seconds: float) -> None:
    """Record how a run failed; if that fails too, only log it, so that `error` stays the cause."""
    outcome, reason = Outcome.FAILED, str(error) or type(error).__name__
    if isinstance(error, KeyboardInterrupt) or interruption.requested():
        outcome, reason = Outcome.INTERRUPTED, "interrupted"  # other errors follow from it
    try:
        run.record(outcome, reason, seconds)
    except Exception as second:
        _LOG.warning("the run could not be recorded as %s: %s", outcome.value, second)
