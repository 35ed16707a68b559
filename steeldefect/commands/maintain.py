"""Check, repair or keep up the tables."""

from __future__ import annotations

import argparse

from steeldefect.upkeep.maintain_arguments import add_arguments


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser("maintain", help="check, repair or keep up the tables")
    add_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Check, repair or keep up the tables."""
    from steeldefect.upkeep.maintenance import maintain

    maintain(arguments)
