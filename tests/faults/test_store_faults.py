"""Faults of the store at every kind of request of a run: no row is lost or duplicated.

The runs are the job itself without Spark, over moto's server behind a proxy. Spark only calls the
code that runs here in this process; `tests/faults/test_many_store_faults.py` also runs with Spark.
"""

from __future__ import annotations

import pytest
from faults.conftest import BuildPlant
from support.archives import rows
from support.fault_proxy import Fault, Rule
from support.faulted_runs import BRISK, ENDS, PATIENT, PLACES

from steeldefect.tables.schema import TableName

OF_EACH_SORT = (Fault.ANSWER_LOST, Fault.ACKNOWLEDGED)
"""Served but unanswered, and not served but acknowledged; other quick tests have refusals."""
EVERY_KIND = [
    pytest.param(kind, marks=() if kind in OF_EACH_SORT else pytest.mark.slow, id=str(kind))
    for kind in Fault
]


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_place_meets_every_fault_once(build: BuildPlant, kind: Fault) -> None:
    """The run is started again until no fault is left; the last run meets no fault."""
    plant = build()
    places = {
        place: Rule(kind, method, key, times=1, seconds=10)
        for place, (method, key) in PLACES.items()
    }
    for _ in range(len(places) + 1):
        plant.deliver(3)
        ended = plant.run(*PATIENT, faults=places.values())
        assert ended.code in ENDS, ended.err
        assert ended.says_why(), ended.err
        plant.check_tables()
        missed = [place for place, rule in places.items() if not rule.injected]
        if missed in ([], ["a record that was found"]):  # no record is found if no run has failed
            break
    else:
        pytest.fail(f"no request met {missed}")
    plant.check_end()


# the parts of a wave are committed to all tables alike
OTHERS = [
    pytest.param(one, marks=pytest.mark.slow) for one in ("predictions", "quarantine", "runs")
]


@pytest.mark.parametrize("table", [*OTHERS, "images"])
def test_a_commit_that_a_store_drops_is_made_again(build: BuildPlant, table: str) -> None:
    """The store acknowledges the commit but drops it; the run checks whether it is there."""
    plant = build()
    plant.deliver(6)
    lost = Rule(Fault.ACKNOWLEDGED, "PUT", rf"/tables/{table}/_delta_log/\d+\.json$", times=1)
    broken = Rule(Fault.FORBIDDEN, "GET", r"/archive/p003.png$")
    ended = plant.run(*PATIENT, faults=[lost, broken])
    assert ended.code == 0, ended.err
    assert lost.injected
    assert len(plant.failures()) == 1
    plant.check_end()
    assert len(rows(plant.output, TableName.RUNS, "run_id")) == 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Fault.SLOW_DOWN, Fault.FORBIDDEN, Fault.ANSWER_LOST], ids=str)
def test_a_fault_that_lasts_ends_the_run_and_is_named(build: BuildPlant, kind: Fault) -> None:
    """In each run another place fails all the time; each run finds what the last run left."""
    plant = build()
    refuses = kind in (Fault.SLOW_DOWN, Fault.FORBIDDEN)
    ends = {}
    for place, (method, key) in PLACES.items():
        plant.deliver(3)
        ended = plant.run(*BRISK, faults=[Rule(kind, method, key)])
        assert ended.code in ENDS, f"{place}: {ended.err}"
        assert ended.says_why(), f"{place}: {ended.err}"
        plant.check_tables()
        ends[place] = ended.code
        if place != "a record that was found" or refuses:
            assert ended.faults, f"no request met {place}"
    assert ends.pop("the sign of life") == 0, "it is tried again until the end"
    if refuses:
        assert set(ends.values()) == {4}, ends
    plant.check_end()
