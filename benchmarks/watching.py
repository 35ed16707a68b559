"""Run a command, and measure all its processes while it runs."""

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
    """A measured program failed, or its answers are incomplete."""


@dataclass
class Watched:
    """CPU time and memory of a command.

    Attributes:
        began: start of the command, in seconds since 1970.
        ended: end of the command, in seconds since 1970.
        cpu: points (seconds since 1970, CPU seconds of all processes until then), in order.
        peaks: largest resident memory of a process in bytes, by role: driver (the command itself),
            JVM, worker (every other process).
        driver_peak: largest resident memory of driver and JVM together, in bytes.
        peak: largest resident memory of all processes together, in bytes; shared pages count once
            for each process.
    """

    began: float
    ended: float = 0.0
    cpu: list[tuple[float, float]] = field(default_factory=list)
    peaks: dict[str, int] = field(default_factory=dict)
    driver_peak: int = 0
    peak: int = 0


def watch(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Watched:
    """Run a command to its end, and measure it.

    Raises:
        BenchmarkError: the command failed; the message has the end of its output.
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
    """Start a command; at the end of the block, kill it and all processes that it started.

    Raises:
        BenchmarkError: the command failed; the message has the end of its output.
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
    total = driver = 0
    for process in family(leader):
        with suppress(psutil.Error, OSError), process.oneshot():
            used = process.cpu_times()
            seconds[process.pid, process.create_time()] = used.user + used.system
            who, resident = role(process, leader), process.memory_info().rss
            total += resident
            driver += resident if who in (DRIVER, JVM) else 0
            watched.peaks[who] = max(watched.peaks.get(who, 0), _peak(process.pid))
    watched.cpu.append((time.time(), sum(seconds.values())))
    watched.peak = max(watched.peak, total)
    watched.driver_peak = max(watched.driver_peak, driver)


def family(leader: int) -> Iterator[psutil.Process]:
    """Yield all processes of the session of a command, also those whose parent has ended."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == leader:
                yield process


def role(process: psutil.Process, leader: int) -> str:
    """Return the role of a process: driver, JVM or worker."""
    if process.name() == "java":
        return JVM
    return DRIVER if process.pid == leader else WORKER


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
