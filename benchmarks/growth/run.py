"""What was measured of one run of the job."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One run of the job.

    Attributes:
        pictures: that it scored.
        keys: that it planned.
        tasks: at once.
        waves: in which it scored.
        rate: pictures a second, once it runs; see `Steady`.
        cpu_seconds: of all processes for each picture, once it runs.
        task_seconds: of tasks, for each picture.
        seconds: from its start to its end.
        driver_seconds: of list, plan, and publish of all waves.
        peaks: greatest resident bytes of one process, by what it is.
    """

    pictures: int
    keys: int
    tasks: int
    waves: int
    rate: float
    cpu_seconds: float
    task_seconds: float
    seconds: float
    driver_seconds: dict[str, float]
    peaks: dict[str, int]
