"""Runs a command, and looks at all of its processes while it runs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from steeldefect.errors import SteelDefectError

_LOOK_SECONDS = 0.2
WORKER, JVM, DRIVER = "worker", "JVM", "driver"


class BenchmarkError(SteelDefectError):
    """A contender failed, or its answers are not what they have to be."""


@dataclass
class Watched:
    """What was seen of a command.

    Attributes:
        began: seconds since 1970.
        ended: the same.
        cpu: (time, CPU seconds used until then by all processes together), as it grew.
        peaks: greatest resident memory of one process in bytes, by what it is: driver (the command
            itself), JVM, worker (every other).
        peak: greatest resident memory of all processes together; shared pages count for each.
    """

    began: float
    ended: float = 0.0
    cpu: list[tuple[float, float]] = field(default_factory=list)
    peaks: dict[str, int] = field(default_factory=dict)
    peak: int = 0


def watch(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Watched:
    """Run a command to its end.

    Raises:
        BenchmarkError: it failed; the message has the end of its output.
    """
    seconds: dict[tuple[int, float], float] = {}
    watched = Watched(time.time())
    with started(command, environment, log) as running:
        while running.poll() is None:
            _look(watched, running.pid, seconds)
            time.sleep(_LOOK_SECONDS)
    watched.ended = time.time()
    return watched


@contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command, and end it and all that it has started with the block.

    Raises:
        BenchmarkError: it failed; the message has the end of its output.
    """
    with log.open("wb") as output:
        running = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        try:
            yield running
        finally:
            for process in family(running.pid):
                with suppress(psutil.Error):
                    process.kill()
            running.wait()
    if running.returncode:
        end = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise BenchmarkError(f"{' '.join(command)} ended with {running.returncode}: {end}")


def _look(watched: Watched, leader: int, seconds: dict[tuple[int, float], float]) -> None:
    total = 0
    for process in family(leader):
        with suppress(psutil.Error, OSError), process.oneshot():
            used = process.cpu_times()
            seconds[process.pid, process.create_time()] = used.user + used.system
            total += process.memory_info().rss
            who = role(process, leader)
            watched.peaks[who] = max(watched.peaks.get(who, 0), _peak(process.pid))
    watched.cpu.append((time.time(), sum(seconds.values())))
    watched.peak = max(watched.peak, total)


def family(leader: int) -> Iterator[psutil.Process]:
    """Give the command, all that it has started, and what was left by those that have ended."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == leader:
                yield process


def role(process: psutil.Process, leader: int) -> str:
    """Tell what a process of a command is."""
    if process.name() == "java":
        return JVM
    return DRIVER if process.pid == leader else WORKER


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
