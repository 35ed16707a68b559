"""The command `steeldefect`: score pictures, query and keep up tables, pack for a cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from steeldefect.commands import COMMANDS
from steeldefect.program.command import CommandParser, run_command


class _ShowVersion(argparse.Action):
    """Option that prints the version; the package is imported only when the option is given."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        import steeldefect

        print(f"steeldefect {steeldefect.__version__}")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    return run_command(_parser(), lambda parsed: parsed.run(parsed), arguments)


def _parser() -> CommandParser:
    parser = CommandParser(prog="steeldefect", description=__doc__.partition(": ")[2])
    parser.add_argument(
        "--version", action=_ShowVersion, nargs=0, help="print the version, and exit"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
