"""A cluster whose workers have no access to this project: another user, another host, no PATH."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import Network, network
from standalone import Cluster, copy_spark
from support.s3_servers import Server, missing_of_ceph, run_ceph, run_moto

from steeldefect.spark.cluster_pack import pack


@pytest.fixture(scope="session")
def hosts() -> Iterator[Network]:
    """Set up this host and three others, with separate addresses if the machine allows it."""
    with network(3) as made:
        yield made


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """Create a folder that every user can read; pytest's folders are private."""
    folder = Path(tempfile.mkdtemp(prefix="steeldefect-cluster-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def spark(open_folder: Path) -> Path:
    """Copy the Spark that the cluster's hosts use."""
    return copy_spark(open_folder / "spark")


@pytest.fixture(scope="session")
def packed(open_folder: Path) -> Path:
    """Pack this environment, or use the archive that STEELDEFECT_PACKED names."""
    target = open_folder / "steeldefect-env.tar.gz"
    if made := os.environ.get("STEELDEFECT_PACKED"):
        shutil.copyfile(made, target)
    else:
        pack(target)
    return target


@pytest.fixture(scope="session")
def server(hosts: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start an S3 server that all hosts reach: Ceph's gateway if it is installed, else moto's."""
    start = run_moto if missing_of_ceph() else run_ceph
    yield from start(tmp_path_factory.mktemp("s3"), hosts.here.address)


@pytest.fixture
def cluster(hosts: Network, spark: Path, server: Server, open_folder: Path) -> Iterator[Cluster]:
    """Start a master without workers; processes of its workers get S3's credentials, no more."""
    folder = Path(tempfile.mkdtemp(dir=open_folder))
    folder.chmod(0o755)
    started = Cluster(spark, folder, hosts, server.environment)
    try:
        started.start_master()
        yield started
    finally:
        started.stop()
        for log in sorted(folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}")


@pytest.fixture
def driver_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the driver's environment: S3's credentials, and no Python named for executors."""
    for name in ("PYSPARK_PYTHON", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS"):
        monkeypatch.delenv(name, raising=False)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, **server.environment, "PATH": path}
