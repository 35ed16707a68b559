"""Fixtures of the library's tests: stores, an S3 server that runs in a thread, tables."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer
from support.examples import BUCKET, SECRET
from support.samples import build_rule_bundle

from steeldefect.bundle.files import Bundle
from steeldefect.stores import S3Settings, Store, open_store
from steeldefect.tables.delta import Tables


@pytest.fixture(scope="session")
def gateless_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Build the rule bundle without its gate: every picture is segmented."""
    target = tmp_path_factory.mktemp("bundles") / "gateless"
    return build_rule_bundle(target, with_gate=False)


@pytest.fixture(scope="session")
def strict_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The rule bundle with a gate that stops every picture with one class or none."""
    return build_rule_bundle(tmp_path_factory.mktemp("strict") / "bundle", gate_threshold=0.99999)


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Settings]:
    """Start an S3 server in this process, with an empty bucket; yield settings that reach it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "tester")
        environment.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION"):
            environment.delenv(name, raising=False)
        endpoint = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(
            Bucket=BUCKET
        )
        yield S3Settings(endpoint_url=endpoint, region="us-east-1", max_attempts=2)
        server.stop()


@pytest.fixture
def s3_address() -> str:
    """Return an address in the server's bucket that no other test uses."""
    return f"s3://{BUCKET}/{uuid4().hex}"


@pytest.fixture(params=["local", "s3"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Open an empty store of either kind."""
    if request.param == "local":
        return open_store(str(tmp_path / "store"))
    address: str = request.getfixturevalue("s3_address")
    return open_store(address, request.getfixturevalue("s3"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Open an empty local store."""
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def tables(store: Store) -> Tables:
    """Open the tables of that store; none is written yet."""
    return Tables(store)
