"""The figures of one run of the job."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """Figures of one run of the job.

    Attributes:
        pictures: number of pictures that the run scored.
        keys: number of keys under the input.
        tasks: number of tasks at once.
        waves: number of published waves.
        rate: pictures per second, without the start; see `Steady`.
        cpu_seconds: CPU seconds of all processes per picture, without the start.
        task_seconds: task seconds per picture.
        seconds: seconds from the start of the run to its end.
        driver_seconds: seconds of the stages list, plan and publish, over all waves.
        peaks: largest resident memory of a process in bytes, by role.
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
