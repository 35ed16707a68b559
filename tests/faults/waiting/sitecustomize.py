"""Makes the processes of a job wait before they open one picture, so that a test can kill them.

Python imports this file when it starts, in every process whose PYTHONPATH has its folder first.
WAIT_AT is the picture's file name, WAIT_WHILE a file: as long as that exists, whoever opens the
picture waits. A waiting process says so by a file of the same name with `.reached` at its end.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

_NAME = os.environ["WAIT_AT"]
_HELD = Path(os.environ["WAIT_WHILE"])
_LONGEST = 300  # seconds: nobody waits on when the test itself was killed


def _wait(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not isinstance(arguments[0], (str, bytes)):
        return
    if os.path.basename(os.fsdecode(arguments[0])) == _NAME:
        end = time.monotonic() + _LONGEST
        while _HELD.exists() and time.monotonic() < end:
            _HELD.with_name(f"{_HELD.name}.reached").touch()
            time.sleep(0.05)


sys.addaudithook(_wait)
