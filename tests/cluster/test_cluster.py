"""A cluster writes the same rows as local mode, even if its hosts fail."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from standalone import Cluster, kill_family
from support.archives import answers, rows
from support.s3_servers import SECRET_KEY, Server
from support.samples import ROOT, fill_archive, score_arguments

from jobs import score as score_job
from steeldefect.bundle.files import Bundle
from steeldefect.stores.s3_client import open_client
from steeldefect.tables.schema import TableName

pytestmark = [pytest.mark.spark, pytest.mark.cluster]

PICTURES = 120
# so many small tasks that there is time to take a host away
SMALL = (
    *("--set", "wave_pictures=60", "--set", "task_pictures=2"),
    *("--set", "task_seconds=0.01"),
)

Read = Callable[[str], dict[str, list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_archive(tmp_path_factory.mktemp("archive"), PICTURES)


@pytest.fixture(scope="module")
def local(archive: Path, rule_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Score the same pictures in local mode, from a folder."""
    output = tmp_path_factory.mktemp("local")
    assert score_job.main(score_arguments(archive, rule_bundle.folder, output)) == 0
    return output


@pytest.fixture
def arguments(server: Server, archive: Path, rule_bundle: Bundle) -> list[str]:
    """Upload pictures and bundle to a new bucket, and return the job's arguments."""
    bucket = server.bucket()
    source = server.upload(archive, bucket, "archive")
    bundle = server.upload(rule_bundle.folder, bucket, "models/first")
    return score_arguments(source, bundle, f"s3://{bucket}/tables")


@pytest.fixture
def read(server: Server, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Return a reader of the tables in S3."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    open_client.cache_clear()
    return answers


def submit(cluster: Cluster, *more: str) -> list[str]:
    """Return the beginning of the command line of a driver on this host."""
    address = cluster.here.address
    return [
        *(str(Path(sys.executable).with_name("spark-submit")), "--master", cluster.url),
        *("--conf", f"spark.driver.host={address}"),
        *("--conf", f"spark.driver.bindAddress={address}"),
        *more,
    ]


@pytest.fixture
def command(cluster: Cluster, packed: Path, arguments: list[str]) -> list[str]:
    """Return the scoring job's command line, with standalone.conf and the packed environment."""
    settings = (
        *("--properties-file", "conf/spark/standalone.conf"),
        *("--conf", f"spark.archives={packed}#env", "--conf", "spark.executor.cores=1"),
    )
    return [*submit(cluster, *settings), "jobs/score.py", *arguments]


def run(command: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_rows_of_a_cluster_are_those_of_local_mode(
    cluster: Cluster,
    command: list[str],
    local: Path,
    read: Read,
    driver_environment: dict[str, str],
) -> None:
    for host in cluster.hosts.others[:2]:
        cluster.start_worker(host)
    ended = run(command, driver_environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"scored {PICTURES} pictures" in ended.stdout
    assert SECRET_KEY not in ended.stdout + ended.stderr
    assert read(command[-1]) == answers(local)
    assert cluster.executors_ran() >= 2


@pytest.mark.slow
def test_a_host_goes_away_and_another_one_joins(
    cluster: Cluster,
    command: list[str],
    local: Path,
    read: Read,
    server: Server,
    driver_environment: dict[str, str],
) -> None:
    first, _ = (cluster.start_worker(host) for host in cluster.hosts.others[:2])
    with subprocess.Popen(
        [*command, *SMALL],
        cwd=ROOT,
        env=driver_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as driver:
        try:
            _wait_for_files(server, command[-1], driver)
            kill_family(first)
            assert driver.poll() is None, "it was over too soon"
            cluster.start_worker(cluster.hosts.others[2])
            told, _ = driver.communicate(timeout=300)
        finally:
            driver.kill()
    assert driver.returncode == 0, told
    assert read(command[-1]) == answers(local)


def _wait_for_files(server: Server, output: str, driver: subprocess.Popen[str]) -> None:
    """Wait until tasks have written files."""
    bucket, _, prefix = output.removeprefix("s3://").partition("/")
    for _ in range(600):
        listed = server.client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/images/")
        if listed.get("KeyCount"):
            return
        assert driver.poll() is None, driver.stdout.read() if driver.stdout else ""
        time.sleep(0.1)
    raise TimeoutError("no task has written anything")


GPUS = {"spark.executor.resource.gpu.amount": "1", "spark.task.resource.gpu.amount": "1"}


@pytest.fixture
def gpu_cluster(cluster: Cluster, tmp_path: Path) -> Cluster:
    """Start two workers with two pretended GPUs each, and this project's environment."""
    script = tmp_path / "discover.sh"
    script.write_text('#!/bin/sh\necho \'{"name": "gpu", "addresses": ["4", "7"]}\'\n')
    script.chmod(0o755)
    settings = {
        "spark.worker.resource.gpu.amount": "2",
        "spark.worker.resource.gpu.discoveryScript": str(script),
    }
    for host in cluster.hosts.others[:2]:
        cluster.start_worker(host, cores=2, settings=settings, stranger=False)
    return cluster


def gpu_options() -> list[str]:
    conf = {**GPUS, "spark.executor.cores": "1", "spark.pyspark.python": sys.executable}
    return [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]


@pytest.mark.slow
def test_every_task_sees_the_gpu_that_it_was_given_and_no_other(
    gpu_cluster: Cluster, driver_environment: dict[str, str]
) -> None:
    command = [*submit(gpu_cluster, *gpu_options()), "tests/cluster/gpu_probe.py"]
    ended = run(command, driver_environment | {"PYTHONPATH": str(ROOT)})
    assert ended.returncode == 0, ended.stdout + ended.stderr
    seen = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    assert len(seen) == 12
    for one in seen:
        assert one["addresses"] in (["4"], ["7"])
        assert one["visible"] == one["addresses"][0]
    cards = {(one["worker"], one["visible"]) for one in seen}
    assert len(cards) >= 3, "the work was spread over the cards"
    for one, other in combinations(seen, 2):
        if (one["worker"], one["visible"]) == (other["worker"], other["visible"]):
            assert one["ended"] <= other["began"] or other["ended"] <= one["began"]


@pytest.mark.slow
def test_a_gpu_that_models_cannot_run_on_is_an_error_and_the_cpu_is_a_choice(
    gpu_cluster: Cluster,
    arguments: list[str],
    local: Path,
    read: Read,
    driver_environment: dict[str, str],
) -> None:
    once = ("--conf", "spark.task.maxFailures=1")  # each try imports TensorFlow anew
    command = [*submit(gpu_cluster, *gpu_options(), *once), "jobs/score.py", *arguments]
    environment = driver_environment | {"PYTHONPATH": str(ROOT)}
    refused = run(command, environment)
    assert refused.returncode == 11, refused.stdout + refused.stderr
    assert "error: device=gpu, but TensorFlow sees no GPU" in refused.stdout + refused.stderr
    ended = run([*command, "--set", "device=cpu"], environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert read(arguments[-1]) == answers(local)
    runs = rows(arguments[-1], TableName.RUNS, "outcome", "engine")
    assert [run["outcome"] for run in runs] == ["failed", "success"]
    assert "openvino on cpu" in runs[1]["engine"]
