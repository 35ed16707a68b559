"""Measure the CPU seconds of the job, by process, and by thread inside workers."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.scoring.measuring import data_files
from benchmarks.watching import WORKER, BenchmarkError, family, role, started

_LOOK_SECONDS = 0.5
MAIN, OTHERS = "workers: main threads", "workers: other threads"
"""With one core per task, the models run in the main thread of a worker."""

_Seconds = dict[tuple[str, int], float]
"""CPU seconds until now, by role and process id."""


@dataclass(frozen=True)
class Spent:
    """Time that a job used from its first file until its end.

    Attributes:
        wall: elapsed seconds.
        cpu: CPU seconds by role of the process; for workers, by kind of thread.
    """

    wall: float
    cpu: dict[str, float]


def watch_threads(
    command: Sequence[str], environment: Mapping[str, str], output: Path, log: Path
) -> Spent:
    """Run the job, and measure its threads from its first file until its end.

    Args:
        command: command line of the job.
        environment: variables that are added to the environment of this process.
        output: folder of the job's tables.
        log: file for the output of the job.

    Raises:
        BenchmarkError: the job failed, or wrote no file.
    """
    before: _Seconds | None = None
    now: _Seconds = {}
    began = ended = time.monotonic()
    with started(command, environment, log) as running:
        while running.poll() is None:
            _look(running.pid, now)
            ended = time.monotonic()
            if before is None and data_files(output):
                before, began = dict(now), ended
            time.sleep(_LOOK_SECONDS)
    if before is None:
        raise BenchmarkError(f"the job ended without a file in {output}; see {log}")
    cpu: defaultdict[str, float] = defaultdict(float)
    for (who, process), seconds in now.items():
        cpu[who] += seconds - before.get((who, process), 0.0)
    return Spent(ended - began, dict(cpu))


def _look(leader: int, seconds: _Seconds) -> None:
    for process in family(leader):
        with suppress(psutil.Error, OSError):
            used, who = process.cpu_times(), role(process, leader)
            whole = used.user + used.system  # includes threads that have ended
            if who != WORKER:
                seconds[who, process.pid] = whole
                continue
            main = sum(
                one.user_time + one.system_time
                for one in process.threads()
                if one.id == process.pid
            )
            seconds[MAIN, process.pid] = main
            seconds[OTHERS, process.pid] = max(0.0, whole - main)
