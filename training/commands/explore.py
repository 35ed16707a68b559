"""`python -m training explore`: describe a folder of pictures as a page and tables."""

from __future__ import annotations

import argparse
from typing import Any

from steeldefect.program.command import local_path


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("explore", help="describe a folder of labelled pictures")
    parser.set_defaults(run=run)
    parser.add_argument(
        "--data", type=local_path, required=True, help="data folder; parts may be missing"
    )
    parser.add_argument("--out", type=local_path, required=True, help="folder for page and tables")
    parser.add_argument("--masks", type=local_path, metavar="FILE", help="instead of train.csv")
    parser.add_argument("--labels", type=local_path, metavar="FILE", help="instead of labels.csv")
    parser.add_argument(
        "--picture-size",
        metavar="WIDTHxHEIGHT",
        help="size of missing pictures in pixels; needed for heat maps and shares of their masks",
    )


def run(options: argparse.Namespace) -> None:
    """Explore the folder and print the main figures."""
    from training.explore.run import explore
    from training.explore.source import ExploreOptions, read_shape

    shape = None if options.picture_size is None else read_shape(options.picture_size)
    how = ExploreOptions(options.data, options.masks, options.labels, shape)
    print(explore(how, options.out))
