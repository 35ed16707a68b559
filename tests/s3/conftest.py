"""The S3 servers that the tests of this folder run against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.s3_servers import Server, run_ceph, run_moto


@pytest.fixture(
    scope="session",
    params=["moto", pytest.param("ceph", marks=[pytest.mark.ceph, pytest.mark.slow])],
)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Each server in turn; Ceph where Debian's packages are installed (`make ceph`)."""
    start = {"moto": run_moto, "ceph": run_ceph}[request.param]
    yield from start(tmp_path_factory.mktemp(request.param))
