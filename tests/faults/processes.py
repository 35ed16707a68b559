"""A job that stands still at a stated picture, and the processes below it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SECONDS = 180


@contextmanager
def read_by(pipe: Path, job: subprocess.Popen[str]) -> Iterator[None]:
    """Wait until a worker reads a picture that is a pipe, and let it wait while the block runs."""
    writer = wait_for_reader(pipe, job)
    try:
        yield
    finally:
        os.close(writer)


def wait_for_reader(pipe: Path, job: subprocess.Popen[str]) -> int:
    """Open a pipe for writing as soon as somebody reads it.

    Raises:
        TimeoutError: nobody does, or the job has ended.
    """
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and job.poll() is None:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("no worker read the pipe")


def java_below(process: int) -> int:
    """Find the JVM that runs Spark for a Python process; waits until it has started.

    Raises:
        TimeoutError: there is none.
    """
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        for child in children(process):
            command = _command(child)
            if command[:1] and command[0].endswith(b"java") and _SUBMIT in command:
                return child
        time.sleep(0.05)
    raise TimeoutError("no JVM was started")


def python_below(process: int, program: str) -> int:
    """Find the Python process that runs a program for `spark-submit`.

    Raises:
        TimeoutError: there is none.
    """
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        for child in children(process):
            if any(word.endswith(program.encode()) for word in _command(child)):
                return child
        time.sleep(0.05)
    raise TimeoutError(f"{program} was not started")


def wait_for_end(process: int) -> None:
    """Wait until a process that is no child of this one has ended.

    Raises:
        TimeoutError: it has not.
    """
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if not _command(process):  # gone, or a zombie
            return
        time.sleep(0.05)
    raise TimeoutError(f"process {process} goes on")


def children(process: int) -> list[int]:
    """List the processes that all threads of a process have started."""
    found: list[int] = []
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += map(int, listed.read_text(encoding="ascii").split())
        except OSError:  # the thread has ended since it was listed
            continue
    return found


_SUBMIT = b"org.apache.spark.deploy.SparkSubmit"


def _command(process: int) -> list[bytes]:
    try:
        content = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return []
    return content.rstrip(b"\0").split(b"\0") if content else []
