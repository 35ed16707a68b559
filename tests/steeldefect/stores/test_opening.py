"""Opening the store at an address."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.samples import run_program

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
        ("//data//archive///", "/data/archive"),
        ("/../data", "/data"),
        ("/", "/"),
        ("/data/archive ", "/data/archive "),
        ("file://localhost/data/archive", "/data/archive"),
        ("file:///data/a%2520b", "/data/a%20b"),  # decoded once
        ("file:///data/a%23b%3Fc", "/data/a#b?c"),
        ("file:///data/%C3%BC", "/data/ü"),
        ("FILE:///data", "/data"),
    ],
)
def test_a_local_folder(address: str, uri: str) -> None:
    store = open_store(address)
    assert isinstance(store, LocalStore)
    assert store.uri == uri
    assert open_store(store.uri).uri == uri  # executors open what the driver opened


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
        ("s3://bucket/a%20b#c?d ", "s3://bucket/a%20b#c?d "),
        ("s3://bucket/a//b", "s3://bucket/a//b"),
        ("s3://bucket/..a/b.", "s3://bucket/..a/b."),
    ],
)
def test_a_prefix_in_s3(address: str, uri: str) -> None:
    store = open_store(address)
    assert isinstance(store, S3Store)
    assert store.uri == uri
    assert open_store(store.uri).uri == uri
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
        (" s3://bucket/prefix", "expected a local folder or s3://bucket/prefix"),
        ("line:1", "write ./name for a folder with a colon in its name"),
        ("file://host/data", "names the host host; expected file:///path"),
        ("file:data", "expected file:///path"),
        ("file://", "expected file:///path"),
        ("file:///data/a#b", "write %3F for `?` and %23 for `#`"),
        ("file:///data/a?b", "write %3F for `?` and %23 for `#`"),
        ("file:///data/a%2Fb", "no file's name holds %2F or %00"),
        ("file:///data/a%00b", "no file's name holds %2F or %00"),
        ("/data/a\0b", "holds a zero byte"),
        ("/data/l\udce5ne", "is not UTF-8; rename the folder or make a link to it"),
        ("/data/l\ufffdne", "is not what was typed"),
        ("~nobody-has-this-name/data", "there is no such user"),
        ("s3://bucket//prefix", "a slash too many; expected s3://bucket/prefix"),
        ("s3://bucket/prefix//", "a slash too many; expected s3://bucket/prefix"),
        ("s3://bucket//", "a slash too many; expected s3://bucket"),
        ("s3://bucket/a/../b", "expected no parts `.` and `..` below the bucket"),
        ("s3://bucket/./b", "expected no parts `.` and `..` below the bucket"),
        ("s3://bucket#a/b", "no bucket is named 'bucket#a'"),
        ("s3://no bucket!/b", "no bucket is named 'no bucket!'"),
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


def test_a_file_url_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(SettingsError, match="is not UTF-8; rename the folder"):
        open_store("file:///data/l%E5ne")


def test_two_dots_behind_a_link_lead_where_the_system_goes(tmp_path: Path) -> None:
    (tmp_path / "mounted" / "line 1").mkdir(parents=True)
    (tmp_path / "mounted" / "tables").mkdir()
    (tmp_path / "current").symlink_to(tmp_path / "mounted" / "line 1")
    assert open_store(f"{tmp_path}/current/../tables").uri == f"{tmp_path}/mounted/tables"
    assert os.path.samefile(f"{tmp_path}/current/../tables", f"{tmp_path}/mounted/tables")
    assert open_store(f"{tmp_path}/current").uri == f"{tmp_path}/current"


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}, "SettingsError"),
        ({"LC_ALL": "C"}, "opened"),  # Python itself then takes UTF-8
    ],
)
def test_a_locale_that_is_not_utf8_is_refused_for_other_names_than_ascii(
    environment: dict[str, str], code: str
) -> None:
    program = (
        "import sys\n"
        "from steeldefect.errors import SettingsError\n"
        "from steeldefect.stores import open_store\n"
        "open_store('/data/line 1')\n"
        "try:\n"
        "    open_store(sys.argv[1] if len(sys.argv) > 1 else '/data/\\xfc')\n"
        "    print('opened')\n"
        "except SettingsError as error:\n"
        "    assert 'set LC_ALL=C.UTF-8' in str(error), error\n"
        "    print('SettingsError')\n"
    )
    for arguments in ([], ["/data/ü"]):
        ended = run_program("-c", program, *arguments, **environment)
        assert ended.out.strip() == code, ended.err


def test_settings_for_other_hosts_hold_what_was_found_on_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    # own settings, so that no client of an earlier test is used
    settings = S3Settings(connect_timeout_seconds=4.25)
    shipped = shipped_settings(["/archive", "s3://bucket/output"], settings)
    assert shipped.endpoint_url == "http://127.0.0.1:9"
    assert shipped.region == "eu-north-1"
    assert shipped.connect_timeout_seconds == 4.25
    assert shipped_settings(["/archive", "/output"], settings) == settings


def test_amazons_own_endpoint_is_not_pinned() -> None:
    settings = S3Settings(region="eu-west-1", connect_timeout_seconds=4.5)
    assert shipped_settings(["s3://bucket"], settings) == settings
