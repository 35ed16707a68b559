"""What all commands share: one-line errors and exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest
from samples import run_program

from steeldefect.command import (
    INTERRUPTED,
    CommandParser,
    add_settings_arguments,
    local_path,
    one_line,
    positive,
    run_command,
)
from steeldefect.errors import FailureShareError, SettingsError, SteelDefectError, StoreError


def raising(error: BaseException) -> Callable[[argparse.Namespace], None]:
    def act(_: argparse.Namespace) -> None:
        raise error

    return act


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="test")
    add_settings_arguments(made)
    return made


def test_a_command_that_works_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[argparse.Namespace] = []
    code = run_command(
        parser(), seen.append, ["--config", "a.yaml", "--set", "x=1", "--set", "y.z=2"]
    )
    assert code == 0
    assert seen[0].config == Path("a.yaml")
    assert seen[0].set == ["x=1", "y.z=2"]
    assert capsys.readouterr() == ("", "")


def test_settings_arguments_may_be_left_out() -> None:
    seen: list[argparse.Namespace] = []
    assert run_command(parser(), seen.append, []) == 0
    assert (seen[0].config, seen[0].set) == (None, [])


@pytest.mark.parametrize(
    "error",
    [
        SettingsError("two\nlines"),
        StoreError("gone"),
        FailureShareError("too many"),
        SteelDefectError("x"),
    ],
)
def test_an_error_of_ours_is_one_line_and_its_exit_code(
    error: SteelDefectError, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(parser(), raising(error), []) == error.exit_code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"error: {one_line(error)}\n"


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_command(parser(), raising(ZeroDivisionError()), [])


def test_an_interrupted_command_says_what_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(parser(), raising(KeyboardInterrupt()), []) == INTERRUPTED == 130
    assert "what was published stays" in capsys.readouterr().err


def test_a_wrong_command_line_ends_with_2() -> None:
    with pytest.raises(SystemExit) as caught:
        run_command(parser(), raising(AssertionError()), ["--no-such-argument"])
    assert caught.value.code == SettingsError.exit_code == 2


def test_one_line() -> None:
    assert one_line(SteelDefectError("a\n  b\t c\n")) == "a b c"


def test_an_error_of_the_operating_system_is_one_line_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = PermissionError(13, "Permission denied", "file.csv")
    assert run_command(parser(), raising(error), []) == StoreError.exit_code
    assert capsys.readouterr().err == "error: [Errno 13] Permission denied: 'file.csv'\n"


def test_a_scheduler_that_ends_a_command_interrupts_it() -> None:
    program = (
        "import argparse, os, signal, sys, time; from steeldefect.command import run_command\n"
        "def act(_): os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)\n"
        "sys.exit(run_command(argparse.ArgumentParser(), act, []))"
    )
    ended = run_program("-c", program)
    assert ended.code == INTERRUPTED
    assert ended.err.startswith("interrupted: ")


def test_a_command_line_that_ours_refuses_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    ours = CommandParser(prog="test")
    ours.add_argument("--count", type=positive)
    assert run_command(ours, raising(AssertionError()), ["--count", "0"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(
        "error: argument --count: '0' is not a whole number above 0; see test"
    )
    assert printed.count("\n") == 1


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "x", "1e3"])
def test_what_counts_nothing_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number above 0"):
        positive(text)


def test_what_counts_something() -> None:
    assert positive("12") == 12


@pytest.mark.parametrize(
    "text", ["", "s3://bucket/file.csv", "file:///a", "https://host/a", "C:/a"]
)
def test_an_address_of_something_else_is_no_local_path(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a local path"):
        local_path(text)


def test_local_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert local_path("a b/c.csv") == Path("a b/c.csv")
    assert local_path("~/c.csv") == Path("/home/somebody/c.csv")
