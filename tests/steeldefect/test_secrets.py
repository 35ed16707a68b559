"""Secrets are masked in everything that is printed, raised or recorded."""

from __future__ import annotations

import logging
import pickle
import time
from pathlib import Path

import pytest

from steeldefect import secrets
from steeldefect.errors import PictureError, SettingsError, SteelDefectError, StoreError
from steeldefect.program.command import CommandParser, run_command
from steeldefect.program.messages import one_line_each
from steeldefect.program.tracebacks import write_report
from steeldefect.secrets import masked, names_secret, remember, without_value
from steeldefect.settings import load_settings

CANARY = "canary/7+Vq=Zz9"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> str:
    """Set a secret in the environment of this process."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    return CANARY


def test_what_this_process_holds_is_masked_in_every_form(held: str) -> None:
    for form in (held, f"a{held}b", f"?key={'canary%2F7%2BVq%3DZz9'}", f"{held}{held}"):
        assert masked(form).count("***") >= 1
        assert "7+Vq" not in masked(form)
        assert "Vq%3D" not in masked(form)


@pytest.mark.parametrize(
    "name", ["AWS_SESSION_TOKEN", "DB_PASSWORD", "STEELDEFECT_KEY_PASSPHRASE", "my_api_key"]
)
def test_which_variables_hold_secrets(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, CANARY)
    assert masked(f"x {CANARY} y") == "x *** y"


@pytest.mark.parametrize(
    "name", ["AWS_WEB_IDENTITY_TOKEN_FILE", "TOKEN_PATH", "HOME", "AWS_ACCESS_KEY_ID"]
)
def test_which_variables_hold_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/var/run/something")
    assert masked("cannot read /var/run/something") == "cannot read /var/run/something"


def test_a_short_value_is_a_part_of_harmless_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert masked("tests/latest") == "tests/latest"


def test_the_password_of_a_proxy_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hush%2Fhush-hush@proxy:3128")
    assert "hush" not in masked("proxy said hush/hush-hush, or hush%2Fhush-hush")


def test_what_was_remembered_is_masked() -> None:
    remember("of-a-profile-alone")
    remember(None)
    remember("short")
    assert masked("of-a-profile-alone short") == "*** short"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:hush@host/x", "http://***@host/x"),
        ("proxy socks5h://me:hu@sh@host", "proxy socks5h://***@host"),
        ("https://host:9000/a@b", "https://host:9000/a@b"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("aws_secret_access_key=hush, region=x", "aws_secret_access_key=***, region=x"),
        ("password = 'hush' here", "password = '***' here"),
        ('{"session_token": "hush", "a": 1}', '{"session_token": "***", "a": 1}'),
        ("--s3-secret hush --other x", "--s3-secret *** --other x"),
        ("--secret --other x", "--secret --other x"),
        ("https://h/k?X-Amz-Signature=0ab&a=1", "https://h/k?X-Amz-Signature=***&a=1"),
        ("https://h/k?X-Amz-Security-Token=0ab", "https://h/k?X-Amz-Security-Token=***"),
        ("Authorization: Bearer hush hush\nnext", "Authorization: ***\nnext"),
        ("a -----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY----- b", "a *** b"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nhush", "***"),
        ("s3.secret_key: no such setting", "s3.secret_key: no such setting"),
        ("set AWS_SECRET_ACCESS_KEY, or a role", "set AWS_SECRET_ACCESS_KEY, or a role"),
        ("-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----"),
    ],
)
def test_what_looks_like_a_secret(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked(shown) == shown


def test_long_texts_take_no_time() -> None:
    began = time.monotonic()
    for text in ("a" * 300_000, "1 2 " * 80_000, "://" * 80_000, "--" * 80_000, "a.-" * 80_000):
        masked(text)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("s3.secret_access_key", True),
        ("password", True),
        ("apiKey", True),
        ("private_key", True),
        ("access_key", True),
        ("trusted_keys", False),
        ("kms_key_id", False),
        ("token_file", False),
        ("wave_pictures", False),
    ],
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    assert names_secret(name) is secret


def test_settings_as_they_may_be_shown() -> None:
    assert without_value("s3.secret=hush: [") == "s3.secret=***"
    assert without_value("a.b=2") == "a.b=2"
    assert without_value("secret") == "secret"
    assert without_value("url=http://me:hush@h") == "url=http://***@h"


@pytest.mark.parametrize("kind", [SteelDefectError, StoreError, PictureError])
def test_an_error_holds_no_secret_wherever_it_goes(kind: type[SteelDefectError], held: str) -> None:
    error = kind(f"the store said {held}")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    for text in (str(error), repr(error), str(copy), repr(copy.args)):
        assert held not in text
        assert "the store said ***" in text
    assert held.encode() not in pickle.dumps(error)


@pytest.mark.parametrize(
    "override",
    [
        "s3.secret_access_key=hush-hush",
        "s3.secret_access_key=[hush-hush",
        "secret.deep=hush-hush: [",
        "batch_size.password=hush-hush: a: b",
        "wave_pictures=http://me:hush-hush@host",
        "s3.endpoint_url=http://me:hush-hush@host",
        "s3.endpoint_url=http://host/?token=hush-hush",
        "s3.endpoint_url=[hush-hush]",
        "s3={secret: hush-hush}",
        "s3=hush-hush",
        "s3.region={secret: hush-hush}",
    ],
)
def test_settings_are_refused_without_their_secrets(override: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, [override])
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "s3:\n  secret_access_key: hush-hush: [\n",
        "s3:\n  secret_access_key: hush-hush\n",
        "secret_access_key: 'hush-hush\n",
        "secret_access_key: hush-hush\n\tx: 1\n",
        "secret: {hush-hush\n",
    ],
)
def test_a_file_of_settings_is_refused_without_its_secrets(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = tmp_path_factory.mktemp("config") / "score.yaml"
    config.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(config, [])
    assert "hush-hush" not in str(caught.value)


def test_a_command_line_is_refused_without_its_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parser = CommandParser(prog="test")
    assert run_command(parser, lambda _: None, ["--secret-key", "hush-hush"]) == 2
    assert "hush-hush" not in capsys.readouterr().err


def test_an_endpoint_from_the_environment_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    from steeldefect.stores import S3Settings
    from steeldefect.stores.s3_client import open_client

    for number, url in enumerate(
        ("http://me:hush-hush@host", "http://me:hush-hush@ho st", "?hush-hush")
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(SettingsError) as caught:
            open_client(S3Settings(max_attempts=90 + number))
        assert "hush-hush" not in str(caught.value)


def test_logs_are_masked_with_their_exceptions(
    held: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with one_line_each():
        try:
            raise ValueError(held)
        except ValueError:
            logging.getLogger("botocore.auth").exception("refused with %s", held)
    text = capsys.readouterr().err
    assert "refused with ***" in text
    assert "ValueError: ***" in text
    assert held not in text


def test_the_report_of_a_crash_is_masked(
    held: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        raise KeyError(held)
    except KeyError as error:
        path = write_report(error, "score.py", ["--set", f"x={held}", "--token", "hush-hush-hush"])
    text = path.read_text(encoding="utf-8")
    assert "KeyError: '***'" in text
    assert "Traceback" in text
    assert held not in text
    assert "hush-hush-hush" not in text


def test_credentials_that_rotate_do_not_pile_up() -> None:
    for number in range(1_000):
        remember(f"rotating-{number}")
    assert len(secrets._remembered) <= 64
    secrets._remembered.clear()
