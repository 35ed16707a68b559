"""Hundreds of faults at random requests: no row is lost or duplicated, each error is explained.

`make test-faults` meets 500 faults, of every kind; `make test` meets fewer, by the same rules.
"""

from __future__ import annotations

import os

import pytest
from faults.conftest import BuildPlant
from support.fault_proxy import Fault, Rule
from support.faulted_runs import ENDS, PATIENT, Faulted, Plant

from jobs.score import main

SOON = tuple(kind for kind in Fault if "stall" not in kind and kind is not Fault.SLOW)
"""Kinds of faults that take no time."""

ASKED_AGAIN = (
    *(Fault.SLOW_DOWN, Fault.INTERNAL_ERROR, Fault.RESET, Fault.ANSWER_LOST),
    *(Fault.RESET_IN_BODY, Fault.TRUNCATED, Fault.WRONG_ETAG),
)
"""Kinds after which a picture is requested again at once; other kinds count as one of its tries."""

FAULTS = int(os.environ.get("STEELDEFECT_FAULTS", "60"))
WHOLE = 500  # so many faults are of every kind
RUNS = 8  # runs of one plant: each run lengthens the logs that the next run reads


@pytest.mark.slow
def test_hundreds_of_faults(build: BuildPlant) -> None:
    """In most runs, some requests of any kind and many requests for pictures meet a fault."""
    plants: list[Plant] = []
    ended: list[Faulted] = []
    met: list[Fault] = []
    while len(met) < FAULTS:
        if len(ended) % RUNS == 0:
            plants.append(build())
        ended.append(_one_run(plants[-1], len(ended)))
        met = [one.fault for plant in plants for one in plant.met]
    for plant in plants:
        plant.check_end()
    well = sum(one.code == 0 for one in ended)
    print(f"{len(met)} faults of {len(set(met))} kinds in {len(ended)} runs; {well} ended well")
    assert set(met) <= set(SOON)
    assert len(set(met)) == len(SOON) or len(met) < WHOLE
    assert len(set(met)) >= len(ASKED_AGAIN)
    assert 0 < well < len(ended)


def _one_run(plant: Plant, seed: int) -> Faulted:
    plant.deliver(29)
    kinds = [SOON[(3 * seed + more) % len(SOON)] for more in range(3)]
    rules = [
        Rule(ASKED_AGAIN[seed % len(ASKED_AGAIN)], "GET", r"/archive/.*png$", share=0.5, seed=seed)
    ]
    if seed % RUNS:  # the first run of a plant outlives its faults
        rules += [
            Rule(kinds[0], "GET", r"/archive/.*png$", share=0.1, seed=seed + 1),
            *(Rule(kind, share=0.01, seed=seed + place) for place, kind in enumerate(kinds)),
        ]
    more = ("--set", "wave_pictures=15", "--set", "max_failure_share=1")
    ended = plant.run(*more, *PATIENT, faults=rules)
    assert ended.code in ENDS, ended.err
    assert ended.says_why(), ended.err
    plant.check_tables()
    return ended


@pytest.mark.slow
@pytest.mark.spark
def test_faults_on_all_ways_of_a_run_on_spark(build: BuildPlant) -> None:
    """Spark's workers read the pictures and write the parts, in separate processes."""
    plant = build()
    plant.score = main
    for seed, kind in enumerate((Fault.RESET_IN_BODY, Fault.SHORTENED)):
        plant.deliver(60)
        rules = [
            Rule(kind, "GET", r"/archive/.*png$", share=0.4, seed=seed),
            Rule(Fault.ANSWER_LOST, "PUT", share=0.1, seed=seed),
        ]
        more = ("--set", "wave_pictures=30", "--set", "max_failure_share=1")
        ended = plant.run(*more, *PATIENT, faults=rules)
        assert ended.code in ENDS, ended.err
        assert ended.says_why(), ended.err
        assert {one.fault for one in ended.faults} == {kind, Fault.ANSWER_LOST}
        plant.check_tables()
    plant.check_end()
