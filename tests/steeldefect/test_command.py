"""What all commands share: one-line errors and exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from steeldefect.command import INTERRUPTED, add_settings_arguments, one_line, run_command
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
