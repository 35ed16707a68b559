"""Run the scoring job in a process that stops itself, by SIGSTOP, at a given point.

    python tests/faults/stopping_driver.py POINT [the arguments of jobs/score.py]

The process stops before the step that POINT names. A stopped process shows no sign of life, like a
process on a host that hangs. A test wakes it by SIGCONT after another run has taken over, which
takes a second here. The rest is the job itself, except that this process scores the pictures,
without Spark.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from deltalake import DeltaTable
from support.short_runs import quick_leases, score_without_spark

from steeldefect.publish import lease
from steeldefect.publish.commit import WaveLog
from steeldefect.stores.local import LocalStore
from steeldefect.tables.delta import Tables

WAVE = 2
"""Wave in which the process stops: the second, so that the first wave is published."""


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _in_front_of(owner: Any, name: str, applies: Callable[..., bool] = lambda *_: True) -> None:
    """Stop before the first call to which `applies` applies; make the call after the stop."""
    called = getattr(owner, name)
    stopped = False

    def stopping(*arguments: Any, **named: Any) -> Any:
        nonlocal stopped
        if not stopped and applies(*arguments):
            stopped = True
            _stop()
        return called(*arguments, **named)

    setattr(owner, name, stopping)


def _of_wave(store: LocalStore, key: str, *_: bytes) -> bool:
    del store
    return key.endswith(f"-{WAVE:06d}.json")


def before_table(number: int) -> None:
    """Stop before the second wave is added to a table, after `number` tables have it."""
    added = iter(range(2))

    def applies(tables: Tables, table: object, parts: object, name: str, wave: int) -> bool:
        del tables, table, parts, name
        return wave == WAVE and next(added, None) == number

    _in_front_of(Tables, "add", applies)


def before_commit() -> None:
    """Stop after a table was read for the commit of the second wave, before the commit."""

    def applies(delta: DeltaTable, *_: Any) -> bool:
        return delta.version() >= WAVE - 1 and "/images" in delta.table_uri

    _in_front_of(DeltaTable, "create_write_transaction", applies)


def after_recovery() -> None:
    """Stop after the run has recovered earlier waves, before it checks its lease."""
    recover = WaveLog.recover

    def stopping(log: WaveLog, holder: int) -> Any:
        completed = recover(log, holder)
        _stop()
        return completed

    WaveLog.recover = stopping  # type: ignore[method-assign]


POINTS: dict[str, Callable[[], None]] = {
    "the first sign of life": lambda: _in_front_of(lease.Lease, "show_life"),
    "recovery": lambda: _in_front_of(WaveLog, "recover"),
    "what follows recovery": after_recovery,
    "the record": lambda: _in_front_of(LocalStore, "write_new", _of_wave),
    "the first table": lambda: before_table(0),
    "the second table": lambda: before_table(1),
    "a commit, when the table was read": before_commit,
    "the deletion of the record": lambda: _in_front_of(LocalStore, "delete", _of_wave),
    "nothing": lambda: None,
}

if __name__ == "__main__":
    POINTS[sys.argv[1]]()
    with quick_leases():
        sys.exit(score_without_spark(sys.argv[2:]))
