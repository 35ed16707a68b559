"""`python -m training generate`: draw a labelled data set of steel strips."""

from __future__ import annotations

import argparse
from typing import Any

from steeldefect.program.command import local_path, positive


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("generate", help="draw a labelled data set of steel strips")
    parser.set_defaults(run=run)
    parser.add_argument("--data", type=local_path, required=True, help="folder to write")
    parser.add_argument("--pictures", type=positive, required=True, help="number of pictures")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--first", type=int, default=0, help="number of the first picture")
    parser.add_argument(
        "--frames",
        type=positive,
        default=0,
        metavar="N",
        help="pictures of a coil; their names then state coil and frame (default: no coils)",
    )


def run(options: argparse.Namespace) -> None:
    """Draw the pictures and print their folder."""
    from training.synthetic import generate

    generate(
        options.data,
        pictures=options.pictures,
        seed=options.seed,
        first=options.first,
        frames=options.frames,
    )
    print(f"{options.pictures} pictures in {options.data}")
