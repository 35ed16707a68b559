"""Run a command of `training`, or another one, in a process of its own: its output in a file."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from steeldefect.errors import SettingsError


def run_training(command: Sequence[str], log: Path) -> None:
    """Run `python -m training`; see `run_python`.

    Args:
        command: words after `python -m training`.
        log: file of the output, in an existing folder.

    Raises:
        SettingsError: the command failed.
    """
    run_python(["-m", "training", *command], log)


def run_python(command: Sequence[str], log: Path) -> None:
    """Run Python; the command is printed to standard error first.

    Args:
        command: words after `python`.
        log: file of the output, in an existing folder.

    Raises:
        SettingsError: the command failed.
    """
    line = f"python {shlex.join(command)}"
    print(line, file=sys.stderr, flush=True)
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            [sys.executable, *command], stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        raise SettingsError(f"{' '.join(line.split()[:4])} ... failed; see {log}")
