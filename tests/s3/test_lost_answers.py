"""Writes that the server made, but whose answers were lost; on every server.

Servers differ in their answers to a conditional write that is sent again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives import answers
from support.fault_proxy import Fault, FaultProxy, Rule, fault_proxy
from support.faulted_runs import ENDS, PATIENT, PLACES, Plant, brisk_retries, environment_of
from support.s3_servers import Server
from support.samples import fill_archive, score_arguments
from support.short_runs import score_without_spark

from steeldefect.bundle.files import Bundle

PICTURES = 12
WRITES = [place for place, (method, _) in PLACES.items() if method in ("PUT", "DELETE")]


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    with fault_proxy(server.endpoint) as started:
        yield started


@pytest.mark.parametrize("kind", [Fault.ANSWER_LOST, Fault.ANSWER_STALLS], ids=str)
def test_every_write_is_sent_again(
    server: Server, proxy: FaultProxy, rule_bundle: Bundle, tmp_path: Path, kind: Fault
) -> None:
    pictures = sorted(fill_archive(tmp_path / "archive", PICTURES).iterdir())
    source = tmp_path / "archive"
    assert score_without_spark(score_arguments(source, rule_bundle.folder, tmp_path / "local")) == 0
    bucket = server.bucket()
    plant = Plant(server, proxy, rule_bundle, bucket, pictures, answers(tmp_path / "local"))
    rules = {
        place: Rule(kind, method, key, times=1)
        for place, (method, key) in PLACES.items()
        if place in WRITES
    }
    with environment_of(server), brisk_retries():
        for _ in WRITES:
            plant.deliver(3)
            ended = plant.run(*PATIENT, faults=rules.values())
            assert ended.code in ENDS, ended.err
            assert ended.says_why(), ended.err
            plant.check_tables()
            if all(rule.injected for rule in rules.values()):
                break
        else:
            pytest.fail(
                f"not every write was met: {[one for one in rules if not rules[one].injected]}"
            )
        plant.check_end()
