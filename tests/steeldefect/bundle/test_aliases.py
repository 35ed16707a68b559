"""Aliases as scoring reads them: each name stands for exactly one bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from steeldefect.bundle.aliases import BUNDLES, bundle_uri, newest_number, newest_record, record_key
from steeldefect.bundle.fetch import fetch_bundle, find_bundle
from steeldefect.bundle.files import MANIFEST_NAME, SEAL_NAME, Bundle, seal_bundle
from steeldefect.errors import BundleError, StoreUnavailableError
from steeldefect.stores import S3Settings, Store, open_store


def record(digest: str, **changes: object) -> bytes:
    """A record as it is stored, with more fields than are read."""
    content = {
        "alias": "production",
        "digest": digest,
        "promoted_at": "2026-03-04T05:06:07Z",
        "something_newer": [1, 2],
    }
    return json.dumps(content | changes).encode()


def publish(bundle: Bundle, registry: Store, alias: str = "production", number: int = 1) -> None:
    """Put a bundle and a record of it into a registry, by hand."""
    for name in (*bundle.manifest.files, SEAL_NAME, MANIFEST_NAME):
        content = (bundle.folder / name).read_bytes()
        registry.write(f"{BUNDLES}/{bundle.digest}/{name}", content)
    registry.write(f"{alias}/{record_key(number)}", record(bundle.digest))


@pytest.fixture
def settings(any_store: Store, request: pytest.FixtureRequest) -> S3Settings:
    """The S3 settings of `any_store`."""
    on_s3 = any_store.uri.startswith("s3://")
    found: S3Settings = request.getfixturevalue("s3") if on_s3 else S3Settings()
    return found


def test_an_alias_leads_to_its_bundle(
    rule_bundle: Bundle, any_store: Store, settings: S3Settings
) -> None:
    publish(rule_bundle, any_store)
    alias = f"{any_store.uri}/production"
    assert fetch_bundle(alias, settings).digest == rule_bundle.digest
    assert fetch_bundle(f"{alias}/", settings).manifest == rule_bundle.manifest
    found = find_bundle(alias, settings)
    assert found.store.uri == f"{any_store.uri}/bundles/{rule_bundle.digest}"
    assert found.digest == rule_bundle.digest
    name = "openvino/gate.xml"
    assert found.read(name) == (rule_bundle.folder / name).read_bytes()
    with pytest.raises(BundleError, match=r"has no split\.csv"):
        found.read("split.csv")


def test_the_highest_number_stands(
    rule_bundle: Bundle, gateless_bundle: Bundle, any_store: Store, settings: S3Settings
) -> None:
    publish(gateless_bundle, any_store, number=9)
    publish(rule_bundle, any_store, number=10)
    publish(gateless_bundle, any_store, number=2)
    any_store.write("production/notes.txt", b"no record")
    any_store.write("production/000099.json.bak", b"no record")
    any_store.write("production/old/000099.json", b"no record")
    any_store.write("production-2/000099.json", record("0" * 64))
    assert newest_number(open_store(f"{any_store.uri}/production", settings)) == 10
    assert fetch_bundle(f"{any_store.uri}/production", settings).digest == rule_bundle.digest


def test_what_lies_there_must_be_what_the_alias_names(
    rule_bundle: Bundle, any_store: Store, settings: S3Settings, tmp_path: Path
) -> None:
    publish(rule_bundle, any_store)
    other = Path(shutil.copytree(rule_bundle.folder, tmp_path / "other"))
    digest = seal_bundle(other, rule_bundle.manifest.model_copy(update={"gate": None}))
    for name in (MANIFEST_NAME, SEAL_NAME):
        home = f"{BUNDLES}/{rule_bundle.digest}/{name}"
        any_store.write(home, (other / name).read_bytes())
    message = f"production names bundle {rule_bundle.digest}, but .* holds {digest}"
    with pytest.raises(BundleError, match=message):
        fetch_bundle(f"{any_store.uri}/production", settings)


def test_an_alias_of_nothing_names_what_is_missing(any_store: Store, settings: S3Settings) -> None:
    any_store.write(f"production/{record_key(1)}", record("ab" * 32))
    with pytest.raises(BundleError, match=f"no bundle at {any_store.uri}/bundles/{'ab' * 32}"):
        fetch_bundle(f"{any_store.uri}/production", settings)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"not json", record("../../etc"), record("ab" * 32, promoted_at=None)]
)
def test_a_malformed_record_is_refused(
    content: bytes, any_store: Store, settings: S3Settings
) -> None:
    any_store.write(f"production/{record_key(1)}", content)
    with pytest.raises(BundleError, match=r"production: 000001\.json: .*promote the bundle again"):
        fetch_bundle(f"{any_store.uri}/production", settings)


def test_neither_bundle_nor_alias_says_so(any_store: Store, settings: S3Settings) -> None:
    any_store.write("pictures/000001.jpg", b"a picture")
    message = r"no bundle at .*/pictures: .*no record of an alias either \(000001\.json and on\)"
    with pytest.raises(BundleError, match=message):
        fetch_bundle(f"{any_store.uri}/pictures", settings)
    assert newest_record(open_store(f"{any_store.uri}/pictures", settings)) is None


def test_a_file_is_neither(tmp_path: Path) -> None:
    (tmp_path / "bundle.zip").write_bytes(b"no folder")
    with pytest.raises(BundleError, match=r"no bundle at .*/bundle\.zip"):
        fetch_bundle(str(tmp_path / "bundle.zip"), S3Settings())


def test_a_store_that_does_not_answer_is_no_missing_alias() -> None:
    nowhere = S3Settings(endpoint_url="http://127.0.0.1:9", max_attempts=1)
    with pytest.raises(StoreUnavailableError):
        find_bundle("s3://bucket/models/production", nowhere)


@pytest.mark.parametrize(
    ("alias", "expected"),
    [
        ("/plant/models/production", "/plant/models/bundles/ab"),
        ("/production", "/bundles/ab"),
        ("s3://plant/models/production/", "s3://plant/models/bundles/ab"),
        ("s3://plant/production", "s3://plant/bundles/ab"),
    ],
)
def test_the_bundle_lies_beside_the_alias(alias: str, expected: str) -> None:
    assert bundle_uri(alias, "ab") == expected


def test_a_bucket_is_no_alias() -> None:
    with pytest.raises(BundleError, match="is a bucket, not an alias"):
        bundle_uri("s3://plant", "ab")
