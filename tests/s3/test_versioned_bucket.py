"""A bucket that keeps all versions: only newest versions are scored, deleted objects are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.archives import answers
from support.s3_servers import Server
from support.samples import (
    Gray,
    bright_picture,
    fill_archive,
    plain_picture,
    run_program,
    save,
    score_arguments,
)

from steeldefect.bundle.files import Bundle
from steeldefect.errors import StoreError
from steeldefect.stores.s3_client import open_client

pytestmark = pytest.mark.spark


@pytest.fixture
def versioned(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket that keeps versions; AWS's environment variables state how to reach it."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    open_client.cache_clear()
    bucket = server.bucket()
    kept = {"Status": "Enabled"}
    server.client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration=kept)
    return bucket


@pytest.mark.slow
def test_newest_versions_are_scored(
    server: Server,
    versioned: str,
    rule_bundle: Bundle,
    tmp_path: Path,
) -> None:
    client = server.client()
    source = server.upload(fill_archive(tmp_path / "archive", 3), versioned, "archive")
    bundle = server.upload(rule_bundle.folder, versioned, "model")
    output = f"s3://{server.bucket()}/tables"

    def put(key: str, picture: Gray) -> None:
        body = save(picture, tmp_path / "new.png").read_bytes()
        client.put_object(Bucket=versioned, Key=f"archive/{key}", Body=body)

    def verdicts() -> list[tuple[str, str]]:
        return [(row["key"], row["verdict"]) for row in answers(output)["images"]]

    put("p000.png", bright_picture())  # plain before
    client.delete_object(Bucket=versioned, Key="archive/p002.png")
    command = ("jobs/score.py", *score_arguments(source, bundle, output))
    assert run_program(*command).code == 0
    assert verdicts() == [("p000.png", "defect"), ("p001.png", "defect")]
    assert "nothing new" in run_program(*command).out

    put("p001.png", plain_picture(9))  # a new version is another picture
    assert run_program(*command).code == 0
    assert ("p001.png", "gated") in verdicts()
    found = client.list_object_versions(Bucket=versioned, Prefix="archive/p001.png")
    assert len(found["Versions"]) == 2


def test_tables_need_conditional_writes_there_too(
    request: pytest.FixtureRequest,
    server: Server,
    versioned: str,
    rule_bundle: Bundle,
    tmp_path: Path,
) -> None:
    source = fill_archive(tmp_path / "archive", 3)
    output = f"s3://{versioned}/tables"
    ended = run_program("jobs/score.py", *score_arguments(source, rule_bundle.folder, output))
    if request.node.callspec.params["server"] == "ceph":  # 16 ignores them where versions are kept
        assert ended.code == StoreError.exit_code
        assert "conditional writes" in ended.err
    else:
        assert ended.code == 0
        assert len(answers(output)["images"]) == 3
