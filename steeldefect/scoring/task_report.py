"""What a task tells the driver; as text, because only text crosses the JVM."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter

from steeldefect.errors import FetchUnavailableError, UnprovenError
from steeldefect.scoring.fetching import PictureKey
from steeldefect.tables.parts import Part

_EXAMPLES = 3


@dataclass
class Failures:
    """Counts of the pictures that failed, and a few of them in words.

    Attributes:
        new: pictures that had not failed before.
        unread: of these, pictures that the store did not give, or not as it holds them.
        again: pictures that had failed in an earlier run; they never stop a run.
        examples: the first few of `new`, in words.
        error: that a task has reported for all of its pictures, as `module.Type: message`.
    """

    new: int = 0
    unread: int = 0
    again: int = 0
    examples: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def all(self) -> int:
        """All of them."""
        return self.new + self.again

    def add(self, key: PictureKey, stage: str, error: Exception) -> None:
        """Count one picture."""
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
    """A task's files, and counts for progress and the run record.

    Attributes:
        parts: the files that it wrote.
        scored: pictures in `images`.
        quarantined: pictures in `quarantine`.
        failures: the same pictures, by whether they had failed before.
        defective: scored pictures with a defect.
        seconds: from the task's start to its last file.
        stage_seconds: by stage; of threads the sum, so that they may exceed `seconds`.
        engine: what ran the models, and why, in words.
        given_back: the task did nothing, because two tries of it had failed before; what it was
            given has to be tried in smaller parts.
        error: why it failed, as `module.Type: message`; the first try of a task raises it instead.
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


_REPORT = TypeAdapter(TaskReport)


def report_to_json(report: TaskReport) -> str:
    """Write a report as the text that crosses the JVM."""
    return _REPORT.dump_json(report).decode()


def report_from_json(text: str) -> TaskReport:
    """Read a report back."""
    return _REPORT.validate_json(text)
