"""The command `steeldefect maintain`: check an output, repair it, or do its upkeep."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from steeldefect.errors import TableError
from steeldefect.publish import lease
from steeldefect.publish.claims import RECORDS
from steeldefect.publish.runs import new_run_id
from steeldefect.settings import ScoreSettings, load_settings
from steeldefect.stores import Store, open_store
from steeldefect.tables.schema import TableName
from steeldefect.upkeep.damage import unsound
from steeldefect.upkeep.health import check_tables
from steeldefect.upkeep.keep_up import UpkeepRules, Upkept, keep_up, preview
from steeldefect.upkeep.repair import Repair, Repaired

_SHOWN = 50  # problems that are printed


def maintain(arguments: argparse.Namespace) -> None:
    """Check an output, repair it, or do its upkeep; print what was found or done.

    Raises:
        TableError: the output is damaged, or has no tables.
        OutputBusyError: a run still holds the output of a repair after
            `lock_wait_seconds`.
        StoreError: the store refused, or does not answer.
    """
    settings = load_settings(arguments.config, arguments.set)
    store = open_store(arguments.output, settings.s3)
    _require_output(store)
    rules = UpkeepRules(arguments.min_age_hours, arguments.retention_hours)
    if arguments.check:
        _check(store)
    elif arguments.repair:
        _repair(store, settings)
    elif arguments.dry_run:
        _print_upkeep(store, preview(store, rules), "would free")
    else:
        _print_upkeep(store, keep_up(store, rules), "freed")


def _check(store: Store) -> None:
    problems = check_tables(store, whole=True)
    for problem in problems[:_SHOWN]:
        print(f"{problem}; {problem.repair}")
    if len(problems) > _SHOWN:
        print(f"... and {len(problems) - _SHOWN} more")
    if problems:
        raise unsound(store, problems)
    print(f"the tables at {store.uri} are sound")


def _repair(store: Store, settings: ScoreSettings) -> None:
    name = new_run_id(datetime.now(UTC))
    with lease.hold(store, name, settings.lock_wait_seconds) as held:
        repaired = Repair(store, held, name).run()
    for line in repaired.done:
        print(line)
    if repaired.aside:
        print(f"damaged objects were moved to {repaired.aside}")
    if repaired.left:
        raise unsound(store, repaired.left)
    print(f"the tables at {store.uri} are sound{_again(repaired)}")


def _again(repaired: Repaired) -> str:
    """Describe what the next run scores again."""
    if not repaired.pictures and not repaired.waves:
        return "; no picture has to be scored again"
    unknown = f", and those of {repaired.waves} waves" if repaired.waves else ""
    return f"; the next run scores about {repaired.pictures} pictures again{unknown}"


def _print_upkeep(store: Store, upkept: Upkept, freed: str) -> None:
    for line in upkept.done or ["nothing to do"]:
        print(line)
    for line in upkept.left:
        print(f"left for the next time: {line}")
    print(f"{freed} {upkept.freed / 2**20:.1f} MiB at {store.uri}")


def _require_output(store: Store) -> None:
    """Raise if there is no output at an address, so that a mistyped address creates none."""
    for prefix in (*(f"{table.value}/" for table in TableName), RECORDS):
        if next(iter(store.scan(prefix)), None) is not None:
            return
    raise TableError(
        f"no tables at {store.uri}; --output is the folder or s3:// prefix that jobs/score.py "
        "wrote to"
    )
