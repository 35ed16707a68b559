"""The report of a task to the driver; it is sent as JSON text through the JVM."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter

from steeldefect.errors import FetchUnavailableError, UnprovenError
from steeldefect.scoring.fetching import PictureKey
from steeldefect.tables.parts import Part

_EXAMPLES = 3


@dataclass
class Failures:
    """Counts of failed pictures, with a few examples.

    Attributes:
        new: failed pictures that had not failed in an earlier run.
        unread: those of `new` that the store did not return, or not with proven bytes.
        again: failed pictures that had failed in an earlier run; they never stop a run.
        examples: the first few of `new`, with stage and message.
        error: error that stopped a whole task, as `module.Type: message`; empty if there is none.
    """

    new: int = 0
    unread: int = 0
    again: int = 0
    examples: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def all(self) -> int:
        """Number of all failed pictures."""
        return self.new + self.again

    def add(self, key: PictureKey, stage: str, error: Exception) -> None:
        """Count one failed picture."""
        if key.tries:
            self.again += 1
            return
        self.new += 1
        self.unread += isinstance(error, FetchUnavailableError | UnprovenError)
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{key.key} ({stage}: {error})")

    def __add__(self, other: Failures) -> Failures:
        """Return the sum."""
        return Failures(
            self.new + other.new,
            self.unread + other.unread,
            self.again + other.again,
            [*self.examples, *other.examples][:_EXAMPLES],
            self.error or other.error,
        )


@dataclass
class TaskReport:
    """The files that a task wrote, and its counts for progress and the run record.

    Attributes:
        parts: files that the task wrote.
        scored: number of pictures in `images`.
        quarantined: number of pictures in `quarantine`.
        defective: number of scored pictures with a defect.
        seconds: time from the task's start to its last file, in seconds.
        stage_seconds: seconds by stage; several threads add up, so the sum may exceed `seconds`.
        engine: description of the engine, with the reason for its choice.
        failures: the quarantined pictures, counted by whether they had failed before.
        given_back: whether the task scored nothing because two tries had failed before; its
            pictures have to be scored in smaller batches.
        error: error that stopped the task, as `module.Type: message`; empty if there is none. The
            first try of a task raises the error instead.
        shadow: report of the same task with the shadow bundle; None without a shadow.
    """

    parts: list[Part] = field(default_factory=list)
    scored: int = 0
    quarantined: int = 0
    defective: int = 0
    seconds: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=dict)
    engine: str = ""
    failures: Failures = field(default_factory=Failures)
    given_back: bool = False
    error: str = ""
    shadow: TaskReport | None = None


_REPORT = TypeAdapter(TaskReport)


def report_to_json(report: TaskReport) -> str:
    """Return a report as JSON text."""
    return _REPORT.dump_json(report).decode()


def report_from_json(text: str) -> TaskReport:
    """Read a report from JSON text."""
    return _REPORT.validate_json(text)
