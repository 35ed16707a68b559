"""Draw masks over a few scored pictures."""

from __future__ import annotations

import argparse

from steeldefect.commands.arguments import add_output_arguments, output_of
from steeldefect.program.command import local_path, positive


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser("overlays", help="draw masks over a few pictures")
    parser.add_argument(
        "folder",
        type=local_path,
        metavar="FOLDER",
        help="folder for the PNGs: new, empty, or with earlier drawings of this program only",
    )
    parser.add_argument(
        "--truth", metavar="CSV", help="also draw the true masks, below the found masks"
    )
    parser.add_argument("--count", type=positive, default=6, help="number of pictures (default: 6)")
    parser.add_argument("--bundle", metavar="DIGEST", help="default: the bundle of the latest run")
    add_output_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Draw the pictures, and print their number."""
    from steeldefect.review.overlays import draw_overlays
    from steeldefect.settings import load_settings

    settings = load_settings(arguments.config, arguments.set)
    drawn = draw_overlays(
        output_of(arguments),
        settings,
        arguments.truth,
        arguments.folder,
        arguments.count,
        arguments.bundle,
    )
    print(f"{len(drawn)} pictures in {arguments.folder}")
