"""The wave protocol in every order of its steps: no picture is lost or published twice.

Some tests remove one check of the protocol: the exploration must then find a violation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.protocol_model import (
    Explored,
    ModelTables,
    delete_the_lock,
    explore,
    write_a_late_record,
)

from steeldefect.publish import claims, commit, lease
from steeldefect.publish.claims import Claim
from steeldefect.publish.commit import WaveLog
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import COMMIT_ORDER


def test_one_run_that_dies_anywhere_is_made_good() -> None:
    found = explore(1)
    assert found.violations == {}
    assert found.states > 30


def test_two_runs_in_every_order() -> None:
    found = explore(2)
    assert found.violations == {}
    assert found.states > 5_000


def test_one_run_whose_lock_somebody_deletes_at_any_time() -> None:
    assert explore(1, other=delete_the_lock).violations == {}


@pytest.mark.slow
def test_two_runs_whose_lock_somebody_deletes_at_any_time() -> None:
    assert explore(2, other=delete_the_lock).violations == {}


@pytest.mark.slow
def test_two_runs_and_a_record_that_arrives_at_any_time() -> None:
    assert explore(2, other=write_a_late_record, switches=3).violations == {}


def test_three_runs_that_are_interrupted_twice() -> None:
    found = explore(3, switches=2)
    assert found.violations == {}
    assert found.states > 1_000


def test_two_runs_and_a_request_that_fails_before_or_after_it_was_served() -> None:
    found = explore(2, switches=1, faults=1)
    assert found.violations == {}
    assert found.states > 1_000


def unchecked(*_: object) -> None:
    """Check nothing."""


def carried_out_unchecked(log: Any, record: Any, still_holds: Callable[[], None]) -> None:
    del still_holds
    CARRY_OUT(log, record, unchecked)


def deleted_first(log: Any, record: Any, still_holds: Callable[[], None]) -> None:
    log._store.delete(record.key)
    CARRY_OUT(log, record, still_holds)


def added_again(tables: Any, table: Any, parts: Any, name: str, number: int) -> None:
    ADD(tables, table, parts, f"{name}-{id(parts)}", number)


CARRY_OUT, ADD = WaveLog._carry_out, Tables.add

TAKEN_OUT: dict[str, tuple[object, str, object, dict[str, Any]]] = {
    "the check between a record and its commits": (
        WaveLog,
        "_carry_out",
        carried_out_unchecked,
        {"runs": 2, "switches": 1},
    ),
    "that a record in no claim is dropped": (
        Claim,
        "covers",
        lambda *_: True,
        {"runs": 2, "switches": 1},
    ),
    "that a record in a claim is carried out": (
        Claim,
        "covers",
        lambda claim, key, holder: holder >= claim.holder,
        {"runs": 2},
    ),
    "the check between a claim and what it carries out": (
        WaveLog,
        "_require_newest",
        unchecked,
        {"runs": 2, "other": write_a_late_record, "switches": 3},
    ),
    "that commits are recognised": (Tables, "add", added_again, {"runs": 1}),
    "that records are deleted last": (WaveLog, "_carry_out", deleted_first, {"runs": 1}),
    "the order of the commits": (
        commit,
        "COMMIT_ORDER",
        tuple(reversed(COMMIT_ORDER)),
        {"runs": 1},
    ),
    "that numbers go on from the newest claim": (
        lease,
        "newest_number",
        lambda _: 0,
        {"runs": 2, "other": delete_the_lock, "switches": 1},
    ),
    "that a holder's claim is the newest": (
        WaveLog,
        "require_claim",
        unchecked,
        {"runs": 2, "other": delete_the_lock, "switches": 2},
    ),
}


@pytest.mark.parametrize("what", TAKEN_OUT)
def test_the_exploration_notices_what_is_taken_out(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name, instead, bounds = TAKEN_OUT[what]
    monkeypatch.setattr(owner, name, instead)
    found = explore(**bounds, until_violated=True)
    assert found.violations, f"nothing depends on: {what}"


def test_the_exploration_itself_is_complete_and_repeatable() -> None:
    first, second = explore(2, switches=1), explore(2, switches=1)
    assert (first.states, first.executions) == (second.states, second.executions)
    assert isinstance(first, Explored)
    assert issubclass(ModelTables, Tables)
    assert claims.newest_number is lease.newest_number
