"""The steps of a scoring run; `jobs/score.py` calls them in order."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pyarrow as pa
from pyspark.sql import SparkSession

from steeldefect.bundle.fetch import fetch_bundle
from steeldefect.bundle.files import Bundle
from steeldefect.errors import OutputBusyError
from steeldefect.plan.inventory import read_inventory
from steeldefect.plan.listing import list_pictures
from steeldefect.plan.picture_places import require_groups, require_places
from steeldefect.plan.plan import Plan, plan_run
from steeldefect.plan.skipped import PLANNED
from steeldefect.program import interruption, progress
from steeldefect.program.tracebacks import described
from steeldefect.publish import lease
from steeldefect.publish.audit import audit_wave
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.foreign_tables import require_own_tables
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

_LOG = logging.getLogger(__name__)


class ScoringRun:
    """A scoring run that holds the lease of its output; see `open_run`."""

    def __init__(
        self,
        request: ScoreRequest,
        bundle: Bundle,
        listing: pa.Table,
        held: lease.Lease,
        origin: Origin,
        stopwatch: Stopwatch,
        session: SparkSession | None = None,
    ) -> None:
        """Set the parts of a run; callers use `open_run` instead."""
        self.origin = origin
        self._stopwatch = stopwatch
        self.bundle = bundle
        self.settings = request.settings
        self.totals = Totals()
        self.plan = Plan(PLANNED.empty_table(), listing.num_rows)
        self.request = request
        self._session = session
        self._waves_began = 0.0
        self._listing = listing
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
        self._log.require_claim()
        self._lease.check()
        with self._stopwatch.measure("check"):
            require_sound(self._output)

    def make_plan(self) -> Plan:
        """Find the pictures that are still to be scored."""
        with self._stopwatch.measure("plan"):
            self.plan = plan_run(
                self._listing,
                self._tables,
                self._source.uri,
                self.bundle.digest,
                self.settings,
            )
        todo = self.plan.todo.num_rows
        waves = len(self._cut())
        progress.say(
            f"{self.plan.listed} pictures under {self._source.uri}, {self.plan.skipped} of them "
            f"dealt with by bundle {self.bundle.digest[:12]}; {todo} to score in {waves} waves"
        )
        return self.plan

    @contextmanager
    def scored_waves(self) -> Iterator[Iterator[ScoredWave]]:
        """Score the planned pictures on Spark and show progress; yield the waves in their order.

        If there is nothing to score, Spark is not started.
        """
        todo = self.plan.todo.num_rows
        if not todo:
            yield iter(())
            return
        with session_for("steeldefect score", self._session) as session:
            shipment = Shipment(session, self.request, self.bundle, self.origin)
            counters = shipment.counters
            waves = Waves(session, self.settings, shipment.task)
            with (
                progress.shown(todo, lambda: counters.done.value, lambda: counters.failed.value),
                closing(waves.scored(self._cut())) as scored,
            ):
                self._waves_began = time.monotonic()
                yield scored

    def _cut(self) -> list[pa.Table]:
        return self.plan.waves(self.settings.wave_pictures)

    def publish(self, wave: ScoredWave) -> None:
        """Audit a scored wave, and publish it.

        Raises:
            AuditError: the wave's parts do not match its plan.
            FailureShareError: too many pictures have failed.
            OutputBusyError: another run has taken the output over.
        """
        with self._stopwatch.measure("publish"):
            self._publish(wave)
        self.totals.seconds = time.monotonic() - self._waves_began

    def _publish(self, wave: ScoredWave) -> None:
        settings, totals = self.settings, self.totals
        audit_wave(self._output, wave.keys, wave.reports, settings.audit_masks)
        check_failures(wave.failures, wave.new, settings, "this wave")
        check_failures(
            totals.failures + wave.failures, totals.new + wave.new, settings, "this wave"
        )
        if totals.waves == 0:
            self._lease.check()
            self._tables.create_all()
            self.record(Outcome.RUNNING, None, 0.0)  # rows need their run, even if it dies later
        parts = [part for report in wave.reports for part in report.parts]
        record = WaveRecord(self.origin.run_id, wave.number, parts, self._lease.number)
        with interruption.postponed():
            self._log.publish(record, self._lease.check)
            totals.add(wave)

    def watch(self) -> str:
        """Watch what this run has scored, unless the settings or an empty run leave nothing.

        A failure, or a fault of the program, does not fail the run, whose pictures are published:
        it is a warning.

        Returns:
            The alarms and repeats for people; empty if there are none.

        Raises:
            OutputBusyError: another run has taken the output over.
        """
        if not (self.settings.watch.after_score and self.totals.scored):
            return ""
        # imported here: it takes a second, and a run without new pictures does not need it
        from steeldefect.watch.bundle_reference import keep_reference
        from steeldefect.watch.watch import publish, watch_run

        try:
            with self._stopwatch.measure("watch"):
                keep_reference(self._output, self.bundle)
                watched = watch_run(
                    self._output,
                    self.settings.watch,
                    self.origin.run_id,
                    lambda: session_for("steeldefect watch", self._session),
                )
                publish(self._output, watched, self._lease.check)
        except OutputBusyError:
            raise
        except Exception as error:
            _LOG.warning(
                "all pictures are published, but the watch failed: %s; steeldefect watch --output "
                "%s does it again",
                described(error),
                self._output.uri,
            )
            return ""
        return watched.findings()

    def record(self, outcome: Outcome, error: str | None, seconds: float) -> None:
        """Write the row of this run to the table `runs`.

        Raises:
            OutputBusyError: another run has taken the output over; nothing is written.
        """
        self._lease.check()
        totals = self.totals
        record_run(
            self._tables,
            self.origin,
            RunRecord(
                job="score",
                source=self._source.uri,
                outcome=outcome,
                error=error,
                planned=self.plan.listed,
                skipped=self.plan.skipped,
                scored=totals.scored,
                quarantined=totals.quarantined,
                defective=totals.defective,
                waves=totals.waves,
                seconds=seconds,
                pictures_per_second=totals.rate,
                stage_seconds=json.dumps(totals.stage_seconds | Counter(self._stopwatch.seconds)),
                engine=json.dumps(totals.engines),
                settings=self.settings.model_dump_json(),
                classes=json.dumps({one.id: one.name for one in self.bundle.manifest.classes}),
                thresholds=Thresholds.of(self.bundle.manifest).model_dump_json(),
            ),
        )

    def summary(self) -> str:
        """Return one line about what the run did."""
        totals = self.totals
        if totals.done == 0:
            return (
                f"nothing new: all {self.plan.listed} pictures under {self._source.uri} are "
                f"dealt with by bundle {self.bundle.digest[:12]} ({self.plan.given_up} of them in "
                "quarantine for good; --set retry_quarantined=true tries those again)"
            )
        again = totals.failures.again
        failed_before = f"; {again} of those in quarantine had failed before" if again else ""
        return (
            f"scored {totals.scored} pictures ({totals.defective} with defects, "
            f"{totals.quarantined} in quarantine, {self.plan.skipped} skipped{failed_before}) in "
            f"{totals.seconds:.0f} s, {totals.rate:.1f} pictures/s; tables at {self._output.uri}"
        )


@contextmanager
def open_run(request: ScoreRequest, session: SparkSession | None = None) -> Iterator[ScoringRun]:
    """Check bundle, input and output, then hold the output's lease while the block runs.

    Nothing is written before the bundle is verified and the input is listed. The run is recorded in
    the table `runs` when the block ends, with or without an error.

    Args:
        request: input, bundle, output and settings of the run.
        session: Spark's session, which stays open; None to open one for the waves.

    Raises:
        BundleError: the bundle is missing, damaged, or not signed as the settings require.
        EmptyInputError: no picture lies under the input.
        SettingsError: `strip.key_pattern` fits no key, or nothing states an attribute.
        DataError: the inventory, or what the pattern finds in a key, is not as it has to be.
        StoreError: input or output cannot be read.
        OutputBusyError: another run held the output longer than `lock_wait_seconds`.
    """
    settings = request.settings
    began = time.monotonic()
    bundle = fetch_bundle(request.bundle_uri, settings.s3, settings.trusted_keys)
    bundle.require(needed_forms(settings, bundle.manifest.compiled, gpus_scheduled=False))
    stopwatch = Stopwatch()
    with stopwatch.measure("list"):
        listing = _pictures_of(request)
    now = datetime.now(UTC)
    run_id = new_run_id(now)
    output = open_store(request.output_uri, settings.s3)
    require_own_tables(output)
    with lease.hold(output, run_id, settings.lock_wait_seconds, on_wait=_say_waiting) as held:
        origin = Origin(run_id, bundle.digest, now, held.number)
        run = ScoringRun(request, bundle, listing, held, origin, stopwatch, session)
        try:
            yield run
            outcome = Outcome.SUCCESS if run.totals.done else Outcome.NOTHING_NEW
            run.record(outcome, None, time.monotonic() - began)
        except BaseException as error:
            _record_failure(run, error, time.monotonic() - began)
            raise


def _pictures_of(request: ScoreRequest) -> pa.Table:
    settings = request.settings
    source = open_store(request.input_uri, settings.s3)
    if request.inventory_uri is None:
        require_groups(settings.strip)
        listing = list_pictures(source, settings.include, settings.exclude)
    else:
        listing = read_inventory(
            request.inventory_uri,
            source,
            settings.include,
            settings.s3,
            settings.exclude,
            settings.strip,
        )
    require_places(listing, settings.strip)
    return listing


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
