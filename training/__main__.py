"""`python -m training COMMAND`: explore, split, fit, promote and more; `--help` lists them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from steeldefect.program.command import CommandParser, run_command
from training.commands import COMMANDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    return run_command(_parser(), lambda options: options.run(options), arguments)


def _parser() -> CommandParser:
    parser = CommandParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
