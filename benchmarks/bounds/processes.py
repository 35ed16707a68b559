"""Where the job's CPU seconds go: by process, and inside a worker by thread."""

from __future__ import annotations

import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.scoring.measuring import data_files
from benchmarks.watching import WORKER, BenchmarkError, family, role

_LOOK_SECONDS = 0.5
MODELS, HELPERS = "workers: the models' threads", "workers: all other threads"


@dataclass(frozen=True)
class Spent:
    """What a job used from its first file until its end.

    Attributes:
        wall: seconds.
        cpu: CPU seconds by process, and of workers by kind of thread.
    """

    wall: float
    cpu: dict[str, float]


def watch_threads(
    command: Sequence[str], environment: Mapping[str, str], output: Path, log: Path
) -> Spent:
    """Run the job, and look at all of its threads from its first file on.

    Args:
        command: of the job.
        environment: added to this one.
        output: folder of the job's tables.
        log: file for what it prints.

    Raises:
        BenchmarkError: it failed, or ended before anything was seen.
    """
    before: dict[tuple[str, int, int], float] | None = None
    now: dict[tuple[str, int, int], float] = {}
    began = ended = time.monotonic()
    with log.open("wb") as printed:
        running = subprocess.Popen(
            command,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        while running.poll() is None:
            _look(running.pid, now)
            ended = time.monotonic()
            if before is None and data_files(output):
                before, began = dict(now), ended
            time.sleep(_LOOK_SECONDS)
    if running.returncode or before is None:
        raise BenchmarkError(f"the job ended with {running.returncode}; see {log}")
    cpu: defaultdict[str, float] = defaultdict(float)
    for (who, process, thread), seconds in now.items():
        cpu[who] += seconds - before.get((who, process, thread), 0.0)
    return Spent(ended - began, dict(cpu))


def _look(leader: int, seconds: dict[tuple[str, int, int], float]) -> None:
    for process in family(leader):
        with suppress(psutil.Error, OSError):
            who = role(process, leader)
            for thread in process.threads():
                where = who
                if who == WORKER:
                    where = MODELS if thread.id == process.pid else HELPERS
                used = thread.user_time + thread.system_time
                seconds[where, process.pid, thread.id] = used
