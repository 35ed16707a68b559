"""A store with a private certificate authority, and rights that only an assumed role has."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme
from support.archives import answers
from support.s3_servers import LOOPBACK, free_port, wait_until
from support.samples import fill_archive, run_program, score_arguments

from steeldefect.bundle.files import Bundle
from steeldefect.errors import StoreError, StoreUnavailableError
from steeldefect.stores import S3Settings, open_store
from steeldefect.stores.s3_client import open_client

pytestmark = pytest.mark.spark

BUCKET = "plant"
ANYONE = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}


def policy(**statement: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


@dataclass(frozen=True)
class Guarded:
    """A server over TLS that checks signatures and rights.

    Attributes:
        endpoint: https address of the server.
        authority: PEM file of the authority that signed the server's certificate.
        config: configuration file of AWS's tools; its profile `helper` may only assume the role
            of `scorer`.
    """

    endpoint: str
    authority: Path
    config: Path

    def environment(self, profile: str) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CA_BUNDLE": str(self.authority),
            "AWS_CONFIG_FILE": str(self.config),
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_PROFILE": profile,
        }


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, rule_bundle: Bundle) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    authority, certificate = folder / "authority.pem", folder / "server.pem"
    own = trustme.CA()
    own.cert_pem.write_to_path(str(authority))
    issued = own.issue_cert(LOOPBACK)
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    port = free_port()
    keys = ("-c", str(certificate), "-k", str(certificate))
    command = [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port), *keys]
    endpoint = f"https://{LOOPBACK}:{port}"
    with (folder / "moto.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield _prepared(endpoint, authority, folder, rule_bundle)
    finally:
        process.kill()
        process.wait()


def _prepared(endpoint: str, authority: Path, folder: Path, bundle: Bundle) -> Guarded:
    """Fill the bucket, grant rights, and make the server check them from then on."""

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=endpoint,
            verify=str(authority),
            region_name="us-east-1",
            aws_access_key_id="first",
            aws_secret_access_key="first",
        )

    s3, iam = client("s3"), client("iam")
    wait_until(s3.list_buckets, 60)
    s3.create_bucket(Bucket=BUCKET)
    fill_archive(folder / "archive", 6)
    for name, source in (("archive", folder / "archive"), ("model", bundle.folder)):
        for path in source.rglob("*"):
            if path.is_file():
                key = f"{name}/{path.relative_to(source).as_posix()}"
                s3.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
    trust = json.dumps({"Version": "2012-10-17", "Statement": [ANYONE]})
    role = iam.create_role(RoleName="scorer", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    allowed = policy(Action="s3:*", Resource="*")
    iam.put_role_policy(RoleName="scorer", PolicyName="s3", PolicyDocument=allowed)
    iam.create_user(UserName="helper")
    allowed = policy(Action="sts:AssumeRole", Resource=role)
    iam.put_user_policy(UserName="helper", PolicyName="assume", PolicyDocument=allowed)
    key = iam.create_access_key(UserName="helper")["AccessKey"]
    config = folder / "config"
    config.write_text(
        f"[profile helper]\nregion = us-east-1\naws_access_key_id = {key['AccessKeyId']}\n"
        f"aws_secret_access_key = {key['SecretAccessKey']}\n"
        f"[profile scorer]\nregion = us-east-1\nrole_arn = {role}\nsource_profile = helper\n",
        encoding="utf-8",
    )
    _check_rights_from_now_on(endpoint, authority)
    return Guarded(endpoint, authority, config)


def _check_rights_from_now_on(endpoint: str, authority: Path) -> None:
    context = ssl.create_default_context(cafile=str(authority))
    connection = HTTPSConnection(endpoint.removeprefix("https://"), context=context)
    connection.request("POST", "/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"})
    assert connection.getresponse().status == 200
    connection.close()


@pytest.fixture
def profile(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """This process as the assumed role."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in guarded.environment("scorer").items():
        monkeypatch.setenv(name, value)
    open_client.cache_clear()
    yield monkeypatch
    open_client.cache_clear()
    os.environ.pop("SSL_CERT_FILE", None)  # set for the Delta library


@pytest.mark.slow
def test_a_run_as_an_assumed_role_behind_an_own_authority(
    guarded: Guarded, profile: pytest.MonkeyPatch
) -> None:
    output = f"s3://{BUCKET}/tables"
    arguments = score_arguments(f"s3://{BUCKET}/archive", f"s3://{BUCKET}/model", output)
    ended = run_program("jobs/score.py", *arguments)
    assert ended.code == 0, ended.err
    assert "scored 6 pictures" in ended.out
    verdicts = [row["verdict"] for row in answers(output)["images"]]
    assert len(verdicts) == 6
    assert len(set(verdicts)) > 1


def test_without_the_role_nothing_may_be_read(
    guarded: Guarded, profile: pytest.MonkeyPatch
) -> None:
    profile.setenv("AWS_PROFILE", "helper")
    with pytest.raises(StoreError, match="access was denied"):
        open_store(f"s3://{BUCKET}/model", S3Settings()).read("bundle.json")


def test_an_authority_that_is_not_named_is_not_trusted(
    guarded: Guarded, profile: pytest.MonkeyPatch
) -> None:
    profile.delenv("AWS_CA_BUNDLE")
    with pytest.raises(StoreUnavailableError, match="AWS_CA_BUNDLE"):
        open_store(f"s3://{BUCKET}/model", S3Settings(max_attempts=1)).read("bundle.json")
