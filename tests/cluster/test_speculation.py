"""A slow task that Spark also starts elsewhere: its pictures are in the tables only once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from standalone import Cluster
from support.archives import answers
from support.fault_proxy import Fault, FaultProxy, Rule, fault_proxy
from support.s3_servers import Server
from support.samples import ROOT, fill_archive, score_arguments

from jobs import score as score_job
from steeldefect.bundle.files import Bundle
from steeldefect.stores import open_store
from steeldefect.stores.s3_client import open_client
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName

pytestmark = [pytest.mark.spark, pytest.mark.cluster]

PICTURES = 40
SMALL = ("--set", "task_pictures=4", "--set", "s3.read_timeout_seconds=120")
SPECULATION = {
    "spark.speculation": "true",
    "spark.speculation.interval": "200ms",
    "spark.speculation.multiplier": "1.5",
    "spark.speculation.quantile": "0.5",
    "spark.speculation.minTaskRuntime": "1s",
    "spark.executor.cores": "1",
    "spark.pyspark.python": sys.executable,
}


@pytest.fixture
def proxy(cluster: Cluster, server: Server) -> Iterator[FaultProxy]:
    with fault_proxy(server.endpoint, cluster.here.address) as started:
        yield started


@pytest.mark.slow
def test_a_task_that_runs_twice_is_published_once(
    cluster: Cluster,
    server: Server,
    proxy: FaultProxy,
    rule_bundle: Bundle,
    driver_environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first try has written its rows, and waits for a response when the second one starts."""
    if not cluster.hosts.separate:
        pytest.skip("Spark starts the second try on another host, and this machine allows none")
    archive = fill_archive(tmp_path / "archive", PICTURES)
    assert score_job.main(score_arguments(archive, rule_bundle.folder, tmp_path / "local")) == 0
    bucket = server.bucket()
    source = server.upload(archive, bucket, "archive")
    bundle = server.upload(rule_bundle.folder, bucket, "model")
    output = f"s3://{bucket}/tables"
    for host in cluster.hosts.others[:2]:
        cluster.start_worker(host, stranger=False)
    late = Rule(Fault.ANSWER_STALLS, "PUT", r"/tables/images/scored.*parquet$", times=1, seconds=90)
    proxy.inject(late)
    address = cluster.here.address
    conf = {
        **SPECULATION,
        "spark.driver.host": address,
        "spark.driver.bindAddress": address,
        "spark.pyspark.driver.python": sys.executable,
    }
    options = [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
    ended = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("spark-submit")), "--master", cluster.url),
            *(*options, "jobs/score.py", *score_arguments(source, bundle, output), *SMALL),
            *("--set", f"s3.endpoint_url={proxy.endpoint}"),
        ],
        cwd=ROOT,
        env=driver_environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert late.injected == 1

    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    open_client.cache_clear()
    assert answers(output) == answers(tmp_path / "local")
    store = open_store(output)
    written = [one.key for one in store.scan("images/scored_date=")]
    table = Tables(store).open(TableName.IMAGES)
    assert table is not None
    assert len(written) > len(table.file_uris()), "both tries have written their rows"
