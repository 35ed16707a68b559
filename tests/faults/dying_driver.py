"""Run the scoring job in a process that dies, by SIGKILL, at a given point of its second wave.

    python tests/faults/dying_driver.py POINT [the arguments of jobs/score.py]

The process dies before the call that POINT names. The rest is the job itself.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from jobs.score import main
from steeldefect.publish import commit
from steeldefect.stores.local import LocalStore

WAVE = "-000002.json"


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before_record() -> None:
    """Die before the second wave's record is written."""
    write_new = LocalStore.write_new

    def dying(store: LocalStore, key: str, data: bytes) -> None:
        if key.endswith(WAVE):
            _die()
        write_new(store, key, data)

    LocalStore.write_new = dying  # type: ignore[method-assign]


def before_table(number: int) -> None:
    """Die before the second wave is added to a table, after `number` tables have it."""
    add = commit.Tables.add
    added = 0

    def dying(tables: Any, table: Any, parts: Any, run_id: str, wave: int) -> None:
        nonlocal added
        if wave == 2:
            if added == number:
                _die()
            added += 1
        add(tables, table, parts, run_id, wave)

    commit.Tables.add = dying  # type: ignore[method-assign]


def before_deletion() -> None:
    """Die after all tables have the second wave, before its record is deleted."""
    delete = LocalStore.delete

    def dying(store: LocalStore, key: str) -> None:
        if key.endswith(WAVE):
            _die()
        delete(store, key)

    LocalStore.delete = dying  # type: ignore[method-assign]


POINTS = {
    "before the record": before_record,
    "before the first table": lambda: before_table(0),
    "between tables": lambda: before_table(1),
    "before the record is deleted": before_deletion,
}

if __name__ == "__main__":
    POINTS[sys.argv[1]]()
    sys.exit(main(sys.argv[2:]))
