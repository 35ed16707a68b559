"""Run a command: arguments for settings, one-line errors, exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from steeldefect.addresses import has_scheme
from steeldefect.errors import SettingsError, SteelDefectError, StoreError
from steeldefect.exit_codes import ExitCode
from steeldefect.program import interruption
from steeldefect.program.log_format import OPTION, LogFormat, format_in, lines_as
from steeldefect.program.messages import one_line_each
from steeldefect.program.progress import say
from steeldefect.program.suggestions import did_you_mean, nearest
from steeldefect.program.tracebacks import described, is_of_spark, write_report
from steeldefect.secrets import masked

__all__ = [
    "CommandParser",
    "add_settings_arguments",
    "exit_code_of",
    "local_path",
    "one_line",
    "positive",
    "run_command",
]


class CommandParser(argparse.ArgumentParser):
    """Argument parser that raises `SettingsError` for a wrong command line.

    A message about a mistyped option or command names the nearest known one.
    """

    _given: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does; report unknown arguments here, not in an outer parser."""
        # for `error`: argparse calls it for missing options before it looks at unknown ones
        self._given = sys.argv[1:] if args is None else list(args)
        known, left = super().parse_known_args(args, namespace)
        if left:
            self.error(f"unrecognized arguments: {' '.join(left)}")
        return known, left

    def error(self, message: str) -> NoReturn:
        """Raise the error of a wrong command line.

        Raises:
            SettingsError: always.
        """
        raise SettingsError(f"{message}{self._mistyped_option()}; see {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += did_you_mean(str(value), map(str, action.choices or ()))
            raise

    def _mistyped_option(self) -> str:
        """Return a hint for the first unknown option that resembles a known one; else no text."""
        known = self._option_string_actions
        names = [word.partition("=")[0] for word in self._given if word.startswith("--")]
        for name in names:
            if not any(one.startswith(name) for one in known):
                found = nearest(name, known)
                if found is not None:
                    return f" ({name}: did you mean {found}?)"
        return ""


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--config FILE` and `--set key=value`."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings as YAML")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="key=value",
        help="one setting, which overrides the file; dots reach into sections; may be repeated",
    )
    add_log_format_argument(parser)


def add_log_format_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--log-format`; `run_command` reads it before it parses the command line."""
    parser.add_argument(
        OPTION,
        choices=[one.value for one in LogFormat],
        default=LogFormat.TEXT.value,
        help="form of the lines on standard error: text, or one JSON object a line (default: text)",
    )


def local_path(text: str) -> Path:
    """Return a command-line argument as a local path; for argparse's `type`.

    Raises:
        argparse.ArgumentTypeError: the argument is empty, or an address with a scheme.
    """
    if not text or has_scheme(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a local path")
    return Path(text).expanduser()


def positive(text: str) -> int:
    """Return a command-line argument as a positive number; for argparse's `type`.

    Raises:
        argparse.ArgumentTypeError: the argument is not a whole number above 0.
    """
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def run_command(
    parser: argparse.ArgumentParser,
    action: Callable[[argparse.Namespace], None],
    arguments: Sequence[str] | None = None,
) -> int:
    """Parse the arguments and run the action; an error becomes one line on standard error.

    An unexpected error is a fault of the program: its traceback is written to a file, and the line
    names the file. After a signal that interrupts the program, errors are not reported: they may
    follow from the interruption.

    Args:
        parser: parser of the command line.
        action: takes the parsed arguments.
        arguments: command-line arguments; None for those of this process.

    Returns:
        The exit code.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    with lines_as(format_in(given)), one_line_each(), interruption.heard():
        try:
            action(parser.parse_args(arguments))
        except SystemExit:  # argparse raises it after `--help`
            raise
        except BaseException as error:  # a panic of a library in Rust is not an `Exception`
            output_error = _flush_output()
            if interruption.requested() or isinstance(error, KeyboardInterrupt):
                say("interrupted: everything published is complete; nothing else was published")
                return ExitCode.INTERRUPTED
            # an OSError without a file's name comes from standard output, if that fails too
            of_output = isinstance(error, OSError) and not error.filename
            return _report(output_error or error if of_output else error, parser.prog, given)
        output_error = _flush_output()
        return ExitCode.DONE if output_error is None else _report(output_error, parser.prog, [])


def _report(error: BaseException, program: str, arguments: Sequence[str]) -> int:
    code, line = _code_and_line(error, program, arguments)
    say(f"error: {masked(line)}")
    return code


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the exit code of a program that an error ends."""
    if interruption.requested() or isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED  # other errors follow from it
    return _exit_code(error)


def _exit_code(error: BaseException) -> ExitCode:
    if isinstance(error, SteelDefectError):
        return error.exit_code
    if is_of_spark(error):
        return ExitCode.WAVE
    return ExitCode.STORE if isinstance(error, OSError) else ExitCode.FAULT


def _code_and_line(error: BaseException, program: str, arguments: Sequence[str]) -> tuple[int, str]:
    """Return the exit code and the line for an error."""
    code = _exit_code(error)
    if isinstance(error, SteelDefectError):
        return code, one_line(error)
    if code is ExitCode.WAVE:
        return code, f"Spark does not answer: {described(error)}; start again"
    if code is ExitCode.STORE:
        return code, str(error)
    try:
        where = f"the report is at {write_report(error, program, arguments)}; please send it"
    except StoreError as refused:
        where = str(refused)
    return code, f"{described(error)}; this is a fault of the program: {where}"


def _flush_output() -> StoreError | None:
    """Flush standard output, and return the error if that fails; None: everything was written.

    It fails if the reader of a pipe has gone, or the disk is full. Without this, the error would
    come when Python shuts down.
    """
    if sys.stdout is None:
        return None
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python flushes again at shutdown: that must not fail, it would print a traceback
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return StoreError(f"cannot write to standard output: {error.strerror}")
    return None


def one_line(error: SteelDefectError) -> str:
    """Return an error's message in one line; characters that a terminal obeys are escaped."""
    text = " ".join(str(error).split())
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
