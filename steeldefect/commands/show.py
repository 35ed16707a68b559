"""Show one picture: what every run found on it, and a drawing."""

from __future__ import annotations

import argparse

from steeldefect.commands.arguments import (
    add_output_arguments,
    add_overwrite_argument,
    existing_of,
    output_of,
)
from steeldefect.program.command import local_path


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser(
        "show", help="one picture: its defects and sizes, in all runs and bundles"
    )
    parser.add_argument("picture", metavar="KEY", help="key, file name or address of the picture")
    parser.add_argument(
        "--draw", type=local_path, metavar="OUT.png", help="draw the picture with its defects"
    )
    parser.add_argument(
        "--bundle",
        metavar="DIGEST",
        help="whose defects are drawn; default: the bundle of the picture's newest run",
    )
    add_overwrite_argument(parser)
    add_output_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print what the tables say of the picture, and draw it if `--draw` is given.

    Raises:
        SettingsError: no picture has that name, or several have; or no such bundle scored it.
        StoreError: the picture to draw is gone, or its store does not answer.
    """
    from steeldefect.review.history_text import history_text
    from steeldefect.review.show import choose_history, draw, show
    from steeldefect.settings import load_settings

    history = show(output_of(arguments), arguments.picture)
    print(history_text(history))
    if arguments.draw is None:
        return
    settings = load_settings(arguments.config, arguments.set)
    found = choose_history(history, arguments.bundle)
    draw(history, found, settings, arguments.draw, existing_of(arguments))
    print(f"\nbundle {found.bundle[:12]} drawn in {arguments.draw}")
