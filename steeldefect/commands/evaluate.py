"""Compare predictions with the truth, as `jobs/evaluate.py` does, without a checkout."""

from __future__ import annotations

import argparse

from steeldefect.program.command import add_settings_arguments


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser("evaluate", help="compare predictions with the truth")
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command and of `jobs/evaluate.py`."""
    parser.add_argument("--output", required=True, metavar="URI", help="address of the tables")
    parser.add_argument(
        "--labels",
        required=True,
        metavar="CSV",
        help="file with the true run lengths; `reviews`: what people said, from the tables",
    )
    parser.add_argument(
        "--pictures", metavar="CSV", help="ImageId,label: pictures with known truth"
    )
    parser.add_argument(
        "--groups", metavar="CSV", help="ImageId,group: pictures that belong together, as a coil's"
    )
    parser.add_argument("--bundle", metavar="DIGEST", help="default: the bundle of the latest run")
    add_settings_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Evaluate, and print the report."""
    from steeldefect.spark.session import follow_signals

    follow_signals()

    from steeldefect.api.evaluate import evaluate
    from steeldefect.settings import load_settings

    result = evaluate(
        arguments.output,
        arguments.labels,
        pictures=arguments.pictures,
        groups=arguments.groups,
        bundle=arguments.bundle,
        settings=load_settings(arguments.config, arguments.set),
    )
    print(result)
