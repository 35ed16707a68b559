"""The store fails for all or many pictures: the run ends soon, with an error that says so."""

from __future__ import annotations

import time

import pytest
from faults.conftest import BuildPlant
from support.fault_proxy import Fault, Rule
from support.faulted_runs import BRISK, Faulted, Plant

from jobs.score import main
from steeldefect.errors import StoreError

PICTURE = r"/archive/.*png$"
DELIVERED = 120


def score_in_vain(plant: Plant, rule: Rule) -> Faulted:
    """Run until the run gives up; check that it says why, and has published nothing."""
    plant.deliver(DELIVERED)
    began = time.monotonic()
    ended = plant.run(*BRISK, faults=[rule])
    asked = len({one.target for one in ended.faults})
    print(f"{rule.fault}: ended after {time.monotonic() - began:.1f} s and {asked} pictures")
    assert ended.code == StoreError.exit_code, ended.err
    assert ended.says_why(), ended.err
    assert f"s3://{plant.bucket}/archive" in ended.error
    plant.check_nothing_new()
    return ended


@pytest.mark.parametrize(
    "kind",
    [
        Fault.SLOW_DOWN,
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in (Fault.SLOW, Fault.STALL, Fault.FORBIDDEN)
        ),
    ],
    ids=str,
)
def test_no_picture_can_be_read(build: BuildPlant, kind: Fault) -> None:
    plant = build()
    ended = score_in_vain(plant, Rule(kind, "GET", PICTURE))
    if kind is not Fault.FORBIDDEN:  # this fault takes no time, so all pictures are requested
        assert len({one.target for one in ended.faults}) < 20
    plant.check_end()


@pytest.mark.slow
@pytest.mark.spark
def test_no_picture_can_be_read_by_sparks_workers(build: BuildPlant) -> None:
    """The wave stops at the first task that has failed twice; the rest is not scored."""
    plant = build()
    plant.score = main
    ended = score_in_vain(plant, Rule(Fault.STALL, "GET", PICTURE))
    assert len({one.target for one in ended.faults}) < DELIVERED
    plant.check_end()


@pytest.mark.slow
@pytest.mark.spark
def test_the_rights_to_a_part_of_the_archive_are_missing(build: BuildPlant) -> None:
    """A third of the pictures fails: the error names the store, not the bundle or the pictures."""
    plant = build()
    plant.score = main
    ended = score_in_vain(plant, Rule(Fault.FORBIDDEN, "GET", r"/archive/p0[0-3].*png$"))
    assert "the store did not give" in ended.error
    assert "the rights to read them" in ended.error
    assert "bundle" not in ended.error
    plant.check_end()


def test_a_few_pictures_that_cannot_be_read_do_not_stop_a_run(build: BuildPlant) -> None:
    plant = build()
    plant.deliver(60)
    ended = plant.run(faults=[Rule(Fault.FORBIDDEN, "GET", r"/archive/p01[0-2].png$")])
    assert ended.code == 0, ended.err
    assert "3 in quarantine" in ended.out
    assert {row["error"] for row in plant.failures()} == {"FetchUnavailableError"}
    plant.check_end()
