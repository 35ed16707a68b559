"""Write what a run did as a Prometheus text file, for node_exporter's textfile collector.

The file is replaced as a whole at the start of a run, after each published wave, and at the end. So
it also says that a run has died: then its end is missing. The time of the last success is kept from
run to run, because "no success for a day" is what an alert should ask.

The numbers are those of the run's rows in the table `runs`.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from prometheus_client.parser import text_string_to_metric_families

from steeldefect.errors import SettingsError
from steeldefect.exit_codes import ExitCode
from steeldefect.program.command import exit_code_of
from steeldefect.publish.runs import RunRecord
from steeldefect.tables.provenance import Origin

_LOG = logging.getLogger(__name__)

SUFFIX = ".prom"
"""Ending of the files that node_exporter's textfile collector reads."""

_LAST_SUCCESS = "steeldefect_last_success_timestamp_seconds"
_STATES = ("planned", "skipped", "scored", "quarantined", "defective")


@dataclass(frozen=True)
class Found:
    """What the watch of a run found: numbers of alarms of the drift, and of repeats."""

    alarms: int
    repeats: int


class MetricsFile:
    """The metrics file of one run; every write replaces it. Without a path, nothing is written.

    Attributes:
        rows: rows of `runs` so far: the run that leads, then its shadow.
        found: what the watch found; None before it, or without it.
    """

    def __init__(self, path: Path | None) -> None:
        """Read the time of the last success from the file of an earlier run, if there is one."""
        self.rows: Sequence[tuple[Origin, RunRecord]] = ()
        self.found: Found | None = None
        self._path = path
        self._began = time.time()
        self._succeeded = None if path is None else _last_success(path)

    def write(self, code: ExitCode | None = None) -> None:
        """Replace the file; a failure to write it is a warning, because it must not end a run.

        Args:
            code: exit code of the run; None if it has not ended.
        """
        if self._path is None:
            return
        if code is ExitCode.DONE:
            self._succeeded = time.time()
        registry = CollectorRegistry()
        self._add_times(registry, code)
        self._add_rows(registry)
        try:
            write_to_textfile(str(self._path), registry)
        except OSError as error:
            _LOG.warning("the metrics file cannot be written: %s", error)

    def _add_times(self, registry: CollectorRegistry, code: ExitCode | None) -> None:
        _gauge(registry, "start_timestamp_seconds", "Start of the newest run", self._began)
        if code is not None:
            _gauge(registry, "end_timestamp_seconds", "Its end; absent while it runs", time.time())
            _gauge(registry, "exit_code", "Its exit code; 0: done", int(code))
        if self._succeeded is not None:
            registered = Gauge(
                _LAST_SUCCESS, "End of the newest run that succeeded", registry=registry
            )
            registered.set(self._succeeded)
        if self.found is not None:
            _gauge(
                registry, "drift_alarms", "Causes of drift found by its watch", self.found.alarms
            )
            _gauge(registry, "repeats", "Repeating marks found by its watch", self.found.repeats)

    def _add_rows(self, registry: CollectorRegistry) -> None:
        role = ("role",)
        info = _labelled(registry, "info", "The newest run", (*role, "run_id", "bundle"))
        pictures = _labelled(registry, "pictures", "Its pictures, by state", (*role, "state"))
        waves = _labelled(registry, "waves", "Its published waves", role)
        rate = _labelled(registry, "pictures_per_second", "Its rate, without start-up", role)
        stages = _labelled(
            registry, "stage_seconds", "Seconds by stage, of all threads", (*role, "stage")
        )
        for name, (origin, record) in zip(("leading", "shadow"), self.rows, strict=False):
            info.labels(name, origin.run_id, origin.bundle).set(1)
            for state in _STATES:
                pictures.labels(name, state).set(getattr(record, state))
            waves.labels(name).set(record.waves)
            rate.labels(name).set(record.pictures_per_second)
            for stage, seconds in json.loads(record.stage_seconds).items():
                stages.labels(name, stage).set(seconds)


@contextmanager
def metrics_written(path: Path | None) -> Iterator[MetricsFile]:
    """Write the metrics file at the start and at the end of the block, also if an error ends it.

    Args:
        path: the file; None for none.

    Raises:
        SettingsError: node_exporter would not read a file of this name, or its folder is missing.
    """
    if path is not None and path.suffix != SUFFIX:
        raise SettingsError(
            f"--metrics-file {path}: the name must end with {SUFFIX} for node_exporter"
        )
    if path is not None and not path.parent.is_dir():
        raise SettingsError(f"--metrics-file {path}: there is no folder {path.parent}")
    metrics = MetricsFile(path)
    metrics.write()
    try:
        yield metrics
    except BaseException as error:
        metrics.write(exit_code_of(error))
        raise
    metrics.write(ExitCode.DONE)


def _last_success(path: Path) -> float | None:
    """Read the time of the last success from an earlier file; None if it cannot be read."""
    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _LOG.warning("the metrics file of the last run cannot be read: %s", error)
        return None
    values = [
        float(sample.value)
        for family in families
        for sample in family.samples
        if sample.name == _LAST_SUCCESS
    ]
    return values[0] if values else None


def _gauge(registry: CollectorRegistry, name: str, text: str, value: float) -> None:
    Gauge(f"steeldefect_run_{name}", text, registry=registry).set(value)


def _labelled(registry: CollectorRegistry, name: str, text: str, labels: tuple[str, ...]) -> Gauge:
    return Gauge(f"steeldefect_run_{name}", text, labels, registry=registry)
