"""One-line errors and exit codes of all commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest
from py4j.java_gateway import GatewayClient, GatewayParameters
from support.s3_servers import free_port
from support.samples import Ended, run_program_after

from steeldefect.errors import (
    FailureShareError,
    SettingsError,
    SteelDefectError,
    StoreError,
    WaveError,
)
from steeldefect.exit_codes import ExitCode
from steeldefect.program.command import (
    CommandParser,
    add_settings_arguments,
    local_path,
    one_line,
    positive,
    run_command,
)


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


def test_a_fault_of_the_program_is_one_line_and_a_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(parser(), raising(ZeroDivisionError("by\nzero")), ["--set", "a=b"]) == 1
    (report,) = tmp_path.iterdir()
    assert capsys.readouterr().err == (
        "error: ZeroDivisionError: by zero; this is a fault of the program: the report is at "
        f"{report}; please send it\n"
    )
    assert "command: test --set a=b" in report.read_text(encoding="utf-8")


class Panic(BaseException):
    """Error as libraries in Rust raise it."""


def test_a_panic_of_a_library_is_a_report_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(parser(), raising(Panic("shut down")), []) == 1
    assert "Panic: shut down; this is a fault of the program" in capsys.readouterr().err


def refuse_connection(_: argparse.Namespace) -> None:
    """Connect to a JVM that is not there, as PySpark does."""
    parameters = GatewayParameters(port=free_port())
    GatewayClient(gateway_parameters=parameters).send_command("c\n")


def test_an_error_of_the_sockets_to_spark_is_none_of_a_store(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(parser(), refuse_connection, []) == WaveError.exit_code
    assert "error: Spark does not answer: " in capsys.readouterr().err


def ended(act: str, *before: str) -> Ended:
    """Run a program whose action is `act`, and return how it ended."""
    program = (
        "import argparse, logging, os, signal, sys, threading, time, warnings\n"
        "from steeldefect.program.command import run_command\n"
        f"def act(_):\n    {act}\n"
        "sys.exit(run_command(argparse.ArgumentParser(prog='test'), act, []))"
    )
    return run_program_after(before, "-c", program, PYTHONUNBUFFERED="")


def test_what_standard_output_refuses_is_one_line() -> None:
    told = ended("print('x')", "bash", "-c", '"$@" > /dev/full', "bash")
    assert (told.code, told.err) == (
        4,
        "error: cannot write to standard output: No space left on device\n",
    )


@pytest.mark.parametrize("characters", [1, 10**6])  # the buffer's flush fails, or a write
def test_a_reader_that_goes_away_is_one_line(characters: int) -> None:
    reader = '"$@" | true; exit ${PIPESTATUS[0]}'
    told = ended(f"time.sleep(0.2); print('x' * {characters})", "bash", "-c", reader, "bash")
    assert (told.code, told.err.count("\n")) == (4, 1)
    assert told.err.endswith("Broken pipe\n")


def test_nobody_who_reads_the_errors_is_no_error() -> None:
    told = ended("raise OSError('gone')", "bash", "-c", '"$@" 2>&-', "bash")
    assert (told.code, told.err) == (4, "")


@pytest.mark.parametrize(
    ("act", "line"),
    [
        ("warnings.warn('old\\nthing')", "WARNING: <string>:4: UserWarning: old thing"),
        (
            "logging.getLogger('x').exception('why', exc_info=ValueError('a\\nb'))",
            "ERROR: why (ValueError: a b)",
        ),
        (
            "type('X', (), {'__del__': lambda self: 1 / 0})()",
            "WARNING: ignored: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_what_libraries_say_is_one_line(act: str, line: str) -> None:
    told = ended(act)
    assert (told.code, told.err.count("\n")) == (0, 1)
    assert told.err.startswith(line)


def test_the_error_that_ends_a_thread_is_one_line_and_a_report(tmp_path: Path) -> None:
    act = f"os.chdir({str(tmp_path)!r}); t = threading.Thread(None, {{}}.popitem, 'x'); t.start()"
    told = ended(f"{act}; t.join()")
    (report,) = tmp_path.iterdir()
    assert told.err == (
        "WARNING: thread x ended: KeyError: 'popitem(): dictionary is empty'; the report is at "
        f"{report}\n"
    )
    assert "Traceback" in report.read_text(encoding="utf-8")


def test_an_interrupted_command_says_what_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(parser(), raising(KeyboardInterrupt()), []) == ExitCode.INTERRUPTED == 130
    assert "everything published is complete" in capsys.readouterr().err


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
