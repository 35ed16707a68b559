"""The totals of a scoring run: its published waves added up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from steeldefect.scoring.task_report import Failures
from steeldefect.scoring.waves import ScoredWave


@dataclass
class Totals:
    """The counts of a run so far; only published waves count.

    Attributes:
        new: number of pictures, failed or not, that had not failed in an earlier run.
        failures: the quarantined pictures, counted by whether they had failed before.
        seconds: time from the start of the first wave to the last publication, in seconds.
        stage_seconds: seconds of all tasks, by stage.
        engines: number of scored pictures, by engine.
    """

    scored: int = 0
    quarantined: int = 0
    defective: int = 0
    waves: int = 0
    new: int = 0
    failures: Failures = field(default_factory=Failures)
    seconds: float = 0.0
    stage_seconds: Counter[str] = field(default_factory=Counter)
    engines: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """Number of pictures that were scored or quarantined."""
        return self.scored + self.quarantined

    @property
    def rate(self) -> float:
        """Pictures that were scored or quarantined per second, without the start of Spark."""
        return self.done / self.seconds if self.seconds else 0.0

    def add(self, wave: ScoredWave) -> None:
        """Count one wave."""
        self.waves += 1
        self.new += wave.new
        self.failures += wave.failures
        for report in wave.reports:
            self.scored += report.scored
            self.quarantined += report.quarantined
            self.defective += report.defective
            self.stage_seconds.update({**report.stage_seconds, "task": report.seconds})
            self.engines[report.engine] += report.scored
