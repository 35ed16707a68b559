"""Make the processes of a job wait before they open one picture, so that a test can kill them.

Python imports this file at its start, in every process whose PYTHONPATH begins with its folder.
WAIT_AT is the picture's file name. WAIT_WHILE is the path of a file: as long as it exists, every
process that opens the picture waits. A waiting process creates a file with the same path and
`.reached` at its end.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

_NAME = os.environ["WAIT_AT"]
_HELD = Path(os.environ["WAIT_WHILE"])
_LONGEST = 300  # seconds: a process does not wait forever if the test itself was killed


def _wait(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not isinstance(arguments[0], (str, bytes)):
        return
    if os.path.basename(os.fsdecode(arguments[0])) == _NAME:
        end = time.monotonic() + _LONGEST
        while _HELD.exists() and time.monotonic() < end:
            _HELD.with_name(f"{_HELD.name}.reached").touch()
            time.sleep(0.05)


sys.addaudithook(_wait)
