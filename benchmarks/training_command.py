"""Run a command of `training` in a process of its own, with its output in a file."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from steeldefect.errors import SettingsError


def run_training(command: Sequence[str], log: Path) -> None:
    """Run `python -m training`; the command is printed to standard error first.

    Args:
        command: words after `python -m training`.
        log: file of the output, in an existing folder.

    Raises:
        SettingsError: the command failed.
    """
    print(f"python -m training {shlex.join(command)}", file=sys.stderr, flush=True)
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            [sys.executable, "-m", "training", *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise SettingsError(f"python -m training {command[0]} failed; see {log}")
