"""A job that stands still at a stated picture, and the processes below it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.samples import ROOT

_SECONDS = 300


@dataclass(frozen=True)
class Hold:
    """Makes the processes of a job wait before they open one picture; see `waiting`.

    Attributes:
        picture: its file name.
        file: the processes wait as long as it exists.
    """

    picture: str
    file: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the job's environment has to hold, beside this process's own."""
        paths = [str(ROOT / "tests/faults/waiting"), str(ROOT), os.environ.get("PYTHONPATH", "")]
        return {
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "WAIT_AT": self.picture,
            "WAIT_WHILE": str(self.file),
        }

    @contextmanager
    def reached(self, job: subprocess.Popen[str]) -> Iterator[None]:
        """Wait until a process of the job waits, and let it wait while the block runs.

        Raises:
            TimeoutError: none does, or the job has ended.
        """
        mark = self.file.with_name(f"{self.file.name}.reached")
        deadline = time.monotonic() + _SECONDS
        try:
            while not mark.exists():
                if time.monotonic() > deadline or job.poll() is not None:
                    raise TimeoutError("no process opened the picture")
                time.sleep(0.05)
            yield
        finally:
            self.file.unlink(missing_ok=True)


def hold_at(picture: str, folder: Path) -> Hold:
    """Hold whoever opens a picture, from now on; the folder takes two small files."""
    file = folder / "hold"
    file.touch()
    return Hold(picture, file)


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
