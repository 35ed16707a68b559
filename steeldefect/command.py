"""What all commands share: arguments for settings, one-line errors, exit codes."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from steeldefect.addresses import has_scheme
from steeldefect.errors import SettingsError, SteelDefectError, StoreError
from steeldefect.secrets import guard_output, masked

INTERRUPTED = 130


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors are those of this project: one line, and the exit code of settings."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line.

        Raises:
            SettingsError: always.
        """
        raise SettingsError(f"{message}; see {self.prog} --help")


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--config FILE` and `--set key=value`."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings as YAML")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="key=value",
        help="one setting, over the file's; dots reach into sections; may be repeated",
    )


def local_path(text: str) -> Path:
    """Read a command-line argument that has to be a local path; for argparse's `type`.

    Raises:
        argparse.ArgumentTypeError: it is empty, or looks like the address of something else.
    """
    if not text or has_scheme(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a local path")
    return Path(text).expanduser()


def positive(text: str) -> int:
    """Read a command-line argument that counts something; for argparse's `type`.

    Raises:
        argparse.ArgumentTypeError: not a whole number above 0.
    """
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def run_command(
    parser: argparse.ArgumentParser,
    action: Callable[[argparse.Namespace], None],
    arguments: Sequence[str] | None = None,
) -> int:
    """Parse arguments, act, and turn errors into one line and an exit code.

    An error that is neither this project's nor the operating system's is a fault of the program,
    and keeps its traceback.
    """
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    guard_output()
    logging.getLogger("py4j").setLevel(logging.CRITICAL)  # what it reports, its caller raises
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)  # schedulers end a job so
    try:
        action(parser.parse_args(arguments))
    except SteelDefectError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {masked(str(error))}", file=sys.stderr)
        return StoreError.exit_code
    except KeyboardInterrupt:
        print("interrupted: what was published stays whole, nothing else was", file=sys.stderr)
        return INTERRUPTED
    return 0


def _interrupt(number: int, frame: object) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt("terminated")


def one_line(error: SteelDefectError) -> str:
    """Join a message's lines."""
    return " ".join(str(error).split())
