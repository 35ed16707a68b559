"""Hold a job at a given picture, and find the processes that it started."""

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
    """A hold: the processes of a job wait before they open one picture; see `waiting`.

    Attributes:
        picture: file name of the picture.
        file: file that holds the processes as long as it exists.
    """

    picture: str
    file: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables that the job's environment needs in addition to those of this process."""
        paths = [str(ROOT / "tests/faults/waiting"), str(ROOT), os.environ.get("PYTHONPATH", "")]
        return {
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "WAIT_AT": self.picture,
            "WAIT_WHILE": str(self.file),
        }

    @contextmanager
    def reached(self, job: subprocess.Popen[str]) -> Iterator[None]:
        """Wait until a process of the job waits, and hold it while the block runs.

        Raises:
            TimeoutError: no process waits in time, or the job has ended.
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
    """Create a hold on every process that opens a picture; two small files go to the folder."""
    file = folder / "hold"
    file.touch()
    return Hold(picture, file)


def java_below(process: int) -> int:
    """Return the process id of the JVM that runs Spark for a Python process; wait for its start.

    Raises:
        TimeoutError: no JVM was started in time.
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
    """Return the process id of the Python process that runs a program for `spark-submit`.

    Raises:
        TimeoutError: no such process was started in time.
    """
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        for child in children(process):
            if any(word.endswith(program.encode()) for word in _command(child)):
                return child
        time.sleep(0.05)
    raise TimeoutError(f"{program} was not started")


def wait_for_end(process: int) -> None:
    """Wait until a process that is not a child of this one has ended.

    Raises:
        TimeoutError: the process has not ended in time.
    """
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if not _command(process):  # the process is gone, or a zombie
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
