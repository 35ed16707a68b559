"""`python -m training recalibrate`: choose the thresholds of a bundle again, without a fit."""

from __future__ import annotations

import argparse
from typing import Any

from steeldefect.program.command import local_path


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "recalibrate", help="choose the thresholds of a bundle again, without a fit"
    )
    parser.set_defaults(run=run)
    parser.add_argument("bundle", metavar="BUNDLE", help="folder, S3 address or alias")
    parser.add_argument(
        "--as-bundle",
        type=local_path,
        metavar="FOLDER",
        required=True,
        help="folder to write; must not exist",
    )
    parser.add_argument("--data", type=local_path, required=True, help="data folder of its fit")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="a.b=VALUE",
        dest="overrides",
        help="change a setting on which the models do not depend, such as "
        "calibrate.gate_recall=0.95 or segmenter.mirrors=[horizontal]; repeatable",
    )


def run(options: argparse.Namespace) -> None:
    """Write the bundle and print a summary."""
    from steeldefect.stores import S3Settings
    from training.recalibrate import recalibrate
    from training.summary import summarise

    bundle = recalibrate(
        options.bundle, options.data, options.as_bundle, S3Settings(), options.overrides
    )
    print(summarise(bundle))
