"""Unexpected errors: the content of their reports, and where reports are written."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from steeldefect.errors import StoreError
from steeldefect.program.tracebacks import described, is_of_spark, write_report


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run the test in an empty working folder."""
    made = tmp_path / "work"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def failure() -> Exception:
    try:
        raise ValueError("of no use")
    except ValueError as error:
        return error


def test_a_report_says_what_happened_where(folder: Path) -> None:
    report = write_report(failure(), "score.py", ["--input", "/archive"])
    assert report.parent == folder
    assert report.name.startswith("steeldefect-crash-20")
    assert report.name.endswith(f"-{os.getpid()}.txt")
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    text = report.read_text(encoding="utf-8")
    for said in ("command: score.py --input /archive", "python: 3.", "pyarrow: ", "in failure"):
        assert said in text
    assert text.splitlines()[-1] == "ValueError: of no use"


def test_a_report_never_replaces_another() -> None:
    reports = {write_report(failure(), "score.py", []) for _ in range(3)}
    assert len(reports) == 3
    assert len({report.stat().st_ino for report in reports}) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["--token", "hush"],
        ["--set", "s3.secret_access_key=hush"],
        ["--set", "password=hush"],
        ["--api-key=hush"],
        ["https://host/a?X-Amz-Signature=hush&b=1"],
        ["s3://somebody:hush@host/bucket"],
    ],
)
def test_secrets_are_not_in_a_report(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_VARIABLE", "hush")
    text = write_report(failure(), "score.py", arguments).read_text(encoding="utf-8")
    assert "hush" not in text
    assert "***" in text


@pytest.mark.parametrize("message", ["token=hush", "https://me:hush@host/a", "{'secret': 'hush'}"])
def test_secrets_are_not_in_what_is_told_of_an_error(message: str) -> None:
    told = described(ValueError(f"refused: {message}"))
    assert "hush" not in told
    assert told.startswith("ValueError: refused: ")


def test_where_the_folder_cannot_be_written_to_the_temporary_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder.rmdir()
    assert write_report(failure(), "score.py", []).parent == tmp_path


def test_where_nothing_can_be_written_to_the_error_says_so(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    folder.rmdir()
    with pytest.raises(StoreError, match=r"cannot write the report of a crash: .*No such file"):
        write_report(failure(), "score.py", [])


def test_errors_that_are_none_of_spark() -> None:
    assert not is_of_spark(failure())
    assert not is_of_spark(OSError(28, "No space left on device"))
