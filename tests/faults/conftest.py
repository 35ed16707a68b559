"""Fixtures: an S3 server behind a proxy that injects faults, and plants that use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.archives import answers
from support.fault_proxy import FaultProxy, fault_proxy
from support.faulted_runs import Plant, brisk_retries, environment_of
from support.s3_servers import Server, run_moto
from support.samples import fill_archive, score_arguments
from support.short_runs import score_without_spark

from steeldefect.bundle.files import Bundle

PICTURES = 240

BuildPlant = Callable[[], Plant]


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An S3 server for all tests of this folder."""
    yield from run_moto(tmp_path_factory.mktemp("moto"))


@pytest.fixture(scope="session")
def deliveries(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures in the order in which they are delivered to plants."""
    return sorted(fill_archive(tmp_path_factory.mktemp("archive"), PICTURES).iterdir())


@pytest.fixture(scope="session")
def expected(
    deliveries: list[Path], rule_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, Any]]]:
    """The rows of a run over all pictures without faults."""
    output = tmp_path_factory.mktemp("unharmed")
    source = deliveries[0].parent
    assert score_without_spark(score_arguments(source, rule_bundle.folder, output)) == 0
    return answers(output)


@pytest.fixture
def proxy(moto: Server) -> Iterator[FaultProxy]:
    """A proxy that only one test uses."""
    with fault_proxy(moto.endpoint) as started:
        yield started


@pytest.fixture
def build(
    moto: Server,
    proxy: FaultProxy,
    deliveries: list[Path],
    rule_bundle: Bundle,
    expected: dict[str, list[dict[str, Any]]],
) -> Iterator[BuildPlant]:
    """A function that builds plants whose first three pictures are scored; leases are quick."""

    def started() -> Plant:
        plant = Plant(moto, proxy, rule_bundle, moto.bucket(), deliveries, expected)
        plant.deliver(3)
        ended = plant.run()
        assert ended.code == 0, ended.err
        return plant

    with environment_of(moto), brisk_retries():
        yield started
