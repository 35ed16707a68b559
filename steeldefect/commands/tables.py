"""Print the schema of every table."""

from __future__ import annotations

import argparse


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser("tables", help="print the schema of every table, as Markdown")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the schema of every table."""
    from steeldefect.tables.schema_text import as_markdown

    del arguments
    print(as_markdown())
