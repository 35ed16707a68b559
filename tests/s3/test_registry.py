"""A registry in S3: promote, compare, list and resolve; on every server."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from support.keys import new_signer
from support.published import Answers, publishable
from support.s3_servers import SECRET_KEY, Server

from steeldefect.bundle.fetch import fetch_bundle
from steeldefect.bundle.files import Bundle
from steeldefect.errors import BundleError, PromotionError
from steeldefect.stores import S3Settings
from steeldefect.stores.s3_client import open_client
from training.__main__ import main
from training.registry.promotion import PromoteOptions, Promotion, promote

S3 = S3Settings()


@pytest.fixture
def bucket(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket; AWS's environment variables state how to reach it."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    open_client.cache_clear()
    return server.bucket()


def test_from_promotion_to_scoring(
    server: Server,
    bucket: str,
    rule_bundle: Bundle,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    registry = f"s3://{bucket}/models"
    named = ("--registry", registry, "--as", "production")
    first = publishable(rule_bundle, tmp_path / "first", Answers(0.75))
    better = publishable(rule_bundle, tmp_path / "better", Answers(0.85, seed=1))
    worse = publishable(rule_bundle, tmp_path / "worse", Answers(0.6, seed=2))
    assert main(["promote", str(first.folder), *named]) == 0
    uploaded = server.upload(better.folder, bucket, "fits/better")
    assert main(["promote", uploaded, *named]) == 0
    assert main(["promote", str(worse.folder), *named]) == PromotionError.exit_code
    assert fetch_bundle(f"{registry}/production", S3).digest == better.digest
    assert main(["promote", first.digest[:8], *named, "--force", "--note", "rollback"]) == 0
    fetched = fetch_bundle(f"{registry}/production", S3)
    assert fetched.digest == first.digest
    assert fetched.manifest == first.manifest

    capsys.readouterr()
    assert main(["list", "--registry", registry]) == 0
    assert main(["compare", f"{registry}/production", uploaded]) == 0
    shown = capsys.readouterr()
    assert "rollback" in shown.out
    assert worse.digest[:12] not in shown.out, "what was refused was not uploaded"
    assert "on 80 held-out pictures" in shown.out
    listed = server.client().list_objects_v2(Bucket=bucket, Prefix="models/production/")
    assert [one["Key"].split("/")[-1] for one in listed["Contents"]] == [
        f"00000{number}.json" for number in (1, 2, 3)
    ]
    stored = [
        server.client().get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
        for one in listed["Contents"]
    ]
    assert SECRET_KEY not in shown.out + shown.err + str(stored)


def test_promotions_at_once_are_all_recorded(
    bucket: str, rule_bundle: Bundle, tmp_path: Path
) -> None:
    registry = f"s3://{bucket}/models"
    answers = [replace(Answers(0.8), seed=number) for number in range(4)]
    bundles = [
        publishable(rule_bundle, tmp_path / f"b{number}", one) for number, one in enumerate(answers)
    ]
    ready = threading.Barrier(len(bundles))
    promotions: list[Promotion] = []

    def run(bundle: Bundle) -> None:
        ready.wait()
        options = PromoteOptions(str(bundle.folder), registry, "production", force=True)
        promotions.append(promote(options, S3))

    threads = [threading.Thread(target=run, args=(bundle,)) for bundle in bundles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordered = sorted(promotions, key=lambda one: one.number)
    assert [one.number for one in ordered] == [1, 2, 3, 4]
    digests = [one.record.digest for one in ordered]
    assert [one.record.replaced for one in ordered] == [None, *digests[:-1]]
    assert fetch_bundle(f"{registry}/production", S3).digest == digests[-1]


def test_signed_bundles_are_trusted(bucket: str, rule_bundle: Bundle, tmp_path: Path) -> None:
    registry, signer = f"s3://{bucket}/models", new_signer()
    bundle = publishable(rule_bundle, tmp_path / "first", Answers(0.75))
    options = PromoteOptions(str(bundle.folder), registry, "production", signer=signer)
    assert [promote(options, S3).new for _ in range(2)] == [True, False]
    address = f"{registry}/production"
    assert fetch_bundle(address, S3, [signer.public.text]).digest == bundle.digest
    with pytest.raises(BundleError, match="is not signed by a trusted key"):
        fetch_bundle(address, S3, [new_signer().public.text])
