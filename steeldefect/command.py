"""What all commands share: arguments for settings, one-line errors, exit codes."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from steeldefect.errors import SettingsError, SteelDefectError, StoreError

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
    try:
        action(parser.parse_args(arguments))
    except SteelDefectError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return StoreError.exit_code
    except KeyboardInterrupt:
        print("interrupted: what was published stays whole, nothing else was", file=sys.stderr)
        return INTERRUPTED
    return 0


def one_line(error: SteelDefectError) -> str:
    """Join a message's lines."""
    return " ".join(str(error).split())
