"""From an address to a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from steeldefect.errors import SettingsError
from steeldefect.stores import S3Settings, is_s3, open_store, shipped_settings
from steeldefect.stores.local import LocalStore
from steeldefect.stores.s3 import S3Store


@pytest.mark.parametrize(
    ("address", "uri"),
    [
        ("/data/archive", "/data/archive"),
        ("/data/archive/", "/data/archive"),
        ("/data/./a/../archive", "/data/archive"),
        ("file:///data/archive", "/data/archive"),
        ("file:/data/archive", "/data/archive"),
        ("file:///data/line%201/archive", "/data/line 1/archive"),
        ("/data/line%201", "/data/line%201"),
        ("/data/line 1 #2?", "/data/line 1 #2?"),
    ],
)
def test_a_local_folder(address: str, uri: str) -> None:
    store = open_store(address)
    assert isinstance(store, LocalStore)
    assert store.uri == uri


def test_a_relative_folder_and_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert open_store("archive").uri == str(tmp_path / "archive")
    assert open_store(".").uri == str(tmp_path)
    assert open_store("~/archive").uri == str(tmp_path / "home/archive")


@pytest.mark.parametrize(
    ("address", "uri"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("s3a://bucket/a", "s3://bucket/a"),
        ("s3n://bucket/a", "s3://bucket/a"),
        ("s3://bucket/line 1/ä", "s3://bucket/line 1/ä"),
    ],
)
def test_a_prefix_in_s3(address: str, uri: str) -> None:
    store = open_store(address)
    assert isinstance(store, S3Store)
    assert store.uri == uri
    assert is_s3(address)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "expected a local folder or s3://bucket/prefix"),
        ("s3://", "no bucket; expected s3://bucket/prefix"),
        ("s3:///prefix", "no bucket"),
        ("gs://bucket/prefix", "expected a local folder or s3://bucket/prefix"),
        ("hdfs://host/path", "expected a local folder or s3://bucket/prefix"),
        ("https://host/bucket", "expected a local folder or s3://bucket/prefix"),
    ],
)
def test_other_addresses_are_refused(address: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_store(address)
    assert problem in str(caught.value)
    assert repr(address) in str(caught.value)
    assert not is_s3(address) or "bucket" in problem


@pytest.mark.parametrize("address", ["s3://key:hush@bucket/prefix", "s3://bucket:hush/prefix"])
def test_an_address_with_credentials_is_refused_without_repeating_them(address: str) -> None:
    with pytest.raises(SettingsError, match="holds no credentials") as caught:
        open_store(address)
    assert "hush" not in str(caught.value)


def test_settings_for_other_hosts_hold_what_was_found_on_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    # settings of their own, so that no client that was opened before is taken
    settings = S3Settings(connect_timeout_seconds=4.25)
    shipped = shipped_settings(["/archive", "s3://bucket/output"], settings)
    assert shipped.endpoint_url == "http://127.0.0.1:9"
    assert shipped.region == "eu-north-1"
    assert shipped.connect_timeout_seconds == 4.25
    assert shipped_settings(["/archive", "/output"], settings) == settings


def test_amazons_own_endpoint_is_not_pinned() -> None:
    settings = S3Settings(region="eu-west-1", connect_timeout_seconds=4.5)
    assert shipped_settings(["s3://bucket"], settings) == settings
