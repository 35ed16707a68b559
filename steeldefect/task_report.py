"""What a task tells the driver; as text, because only text crosses the JVM."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter

from steeldefect.parts import Part


@dataclass
class TaskReport:
    """A task's files, and counts for progress and the run record.

    Attributes:
        parts: the files that it wrote.
        scored: pictures in `images`.
        quarantined: pictures in `quarantine`.
        defective: scored pictures with a defect.
        seconds: from the task's start to its last file.
        stage_seconds: by stage; of threads the sum, so that they may exceed `seconds`.
        took: what ran the models, and why, in words.
    """

    parts: list[Part] = field(default_factory=list)
    scored: int = 0
    quarantined: int = 0
    defective: int = 0
    seconds: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=dict)
    took: str = ""


_REPORT = TypeAdapter(TaskReport)


def report_to_json(report: TaskReport) -> str:
    """Write a report as the text that crosses the JVM."""
    return _REPORT.dump_json(report).decode()


def report_from_json(text: str) -> TaskReport:
    """Read a report back."""
    return _REPORT.validate_json(text)
