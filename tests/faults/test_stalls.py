"""A run that is stopped while another takes over: one row per picture, whichever run wakes up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from faults.stopping_driver import POINTS
from support.archives import answers, rows
from support.fault_proxy import Fault, FaultProxy, Rule
from support.faulted_runs import environment_of
from support.s3_servers import Server
from support.samples import ROOT, fill_archive, score_arguments
from support.short_runs import quick_leases, score_without_spark

from steeldefect.bundle.files import Bundle
from steeldefect.errors import OutputBusyError
from steeldefect.tables.schema import TableName

PICTURES = 12
WAVES = ("--set", "wave_pictures=6")
STOPS = [point for point in POINTS if point != "nothing"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_archive(tmp_path_factory.mktemp("archive"), PICTURES)


@pytest.fixture(scope="module")
def unharmed(archive: Path, rule_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run without a stop."""
    output = tmp_path_factory.mktemp("unharmed")
    assert score_without_spark(score_arguments(archive, rule_bundle.folder, output)) == 0
    return output


@contextmanager
def driver(
    point: str, arguments: Sequence[str], **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run the job in a separate process, which is killed at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "tests/faults/stopping_driver.py", point, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until a condition holds, while a process runs."""
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def has_stopped(process: subprocess.Popen[str]) -> bool:
    with suppress(psutil.NoSuchProcess):
        return str(psutil.Process(process.pid).status()) == psutil.STATUS_STOPPED
    return False


def wake_up(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Let a stopped process go on to its end; return its exit code and its error output."""
    process.send_signal(signal.SIGCONT)
    _, told = process.communicate(timeout=120)
    return process.returncode, told


def check_once(output: object, unharmed: Path) -> None:
    """Check that the tables hold every picture exactly once, whichever run wrote it."""
    assert answers(output) == answers(unharmed)
    runs = {row["run_id"]: row["outcome"] for row in rows(output, TableName.RUNS)}
    for table in (TableName.IMAGES, TableName.PREDICTIONS):
        assert {row["run_id"] for row in rows(output, table, "run_id")} <= set(runs)


@pytest.mark.parametrize("point", STOPS)
def test_a_run_that_wakes_up_after_another_took_over(
    point: str, archive: Path, rule_bundle: Bundle, unharmed: Path, tmp_path: Path
) -> None:
    arguments = [*score_arguments(archive, rule_bundle.folder, tmp_path), *WAVES]
    with driver(point, arguments) as first:
        wait_for(lambda: has_stopped(first), first)
        with quick_leases():
            assert score_without_spark(arguments) == 0
        code, told = wake_up(first)
    assert code == OutputBusyError.exit_code, told
    assert "another run took over" in told
    check_once(tmp_path, unharmed)  # the run that took over had scored all pictures

    with quick_leases():
        assert score_without_spark(arguments) == 0
    check_once(tmp_path, unharmed)
    assert list((tmp_path / "_waves").glob("*.json")) == []


@pytest.mark.parametrize("point", ["what follows recovery", "the record", "the second table"])
@pytest.mark.parametrize("another", [True, False], ids=["another run", "no other run"])
def test_somebody_deletes_the_lock_under_a_run(
    point: str,
    another: bool,
    archive: Path,
    rule_bundle: Bundle,
    unharmed: Path,
    tmp_path: Path,
) -> None:
    arguments = [*score_arguments(archive, rule_bundle.folder, tmp_path), *WAVES]
    with driver(point, arguments) as first:
        wait_for(lambda: has_stopped(first), first)
        shutil.rmtree(tmp_path / "_lock")
        if another:
            assert score_without_spark(arguments) == 0
        code, told = wake_up(first)
    assert code == OutputBusyError.exit_code, told
    assert "or its lock was deleted" in told
    with quick_leases():
        assert score_without_spark(arguments) == 0
    check_once(tmp_path, unharmed)
    assert list((tmp_path / "_waves").glob("*.json")) == []


CUTS = {
    "a part": r"PUT /.*/images/scored.*parquet",
    "the record": r"PUT /.*/_waves/[^/]+-000002\.json",
    "a commit of images": r"PUT /.*/images/_delta_log/0+2\.json",
}


@pytest.mark.parametrize(
    "served",
    [pytest.param(True, id="served"), pytest.param(False, marks=pytest.mark.slow, id="not served")],
)
@pytest.mark.parametrize(
    "cut",
    [
        pytest.param("a part", marks=pytest.mark.slow),
        "the record",
        pytest.param("a commit of images", marks=pytest.mark.slow),
    ],
)
def test_a_run_without_the_store_while_another_takes_over(
    cut: str,
    served: bool,
    moto: Server,
    proxy: FaultProxy,
    archive: Path,
    rule_bundle: Bundle,
    unharmed: Path,
) -> None:
    """Only the first run uses the proxy, which does not answer until the other run has ended."""
    bucket = moto.bucket()
    arguments = [
        *score_arguments(archive, rule_bundle.folder, f"s3://{bucket}/tables"),
        *(*WAVES, "--set", "s3.read_timeout_seconds=1", "--set", "s3.max_attempts=30"),
    ]
    silence = Rule(Fault.ANSWER_STALLS if served else Fault.STALL, since=CUTS[cut], times=1)
    proxy.inject(silence, Rule(Fault.STALL, since=CUTS[cut]))
    environment = {**moto.environment, "AWS_ENDPOINT_URL": proxy.endpoint}
    with driver("nothing", arguments, **environment) as first, environment_of(moto):
        wait_for(lambda: silence.injected > 0, first)
        with quick_leases():
            assert score_without_spark(arguments) == 0
        proxy.heal()
        _, told = first.communicate(timeout=120)
        assert first.returncode in (4, OutputBusyError.exit_code), told
        check_once(f"s3://{bucket}/tables", unharmed)
        with quick_leases():
            assert score_without_spark(arguments) == 0
        check_once(f"s3://{bucket}/tables", unharmed)
