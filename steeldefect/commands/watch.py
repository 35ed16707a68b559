"""Watch the newest scoring run: what the gate hides, what has drifted, which marks repeat."""

from __future__ import annotations

import argparse

from steeldefect.commands.arguments import add_output_arguments


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser(
        "watch", help="audit of the gate, drift and repeats of the newest scoring run"
    )
    add_output_arguments(parser)
    parser.add_argument(
        "--run", dest="watched", metavar="RUN", help="id of a scoring run, or its first characters"
    )
    parser.add_argument(
        "--reference",
        metavar="RUN",
        help="scoring run to compare it with (default: setting watch.reference, or the bundle's)",
    )
    parser.add_argument(
        "--fail-on-drift", action="store_true", help="end with exit code 15 if anything has drifted"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Watch, write the tables, and print what was found."""
    from steeldefect.spark.session import follow_signals

    follow_signals()

    from steeldefect.api.watch import watch
    from steeldefect.errors import DriftError
    from steeldefect.settings import load_settings

    watched = watch(
        arguments.output,
        run=arguments.watched,
        reference=arguments.reference,
        settings=load_settings(arguments.config, arguments.set),
    )
    print(watched.report())
    if arguments.fail_on_drift and watched.alarms:
        raise DriftError(
            f"run {watched.night.run_id} has drifted: {'; '.join(watched.alarms)}; see the table "
            "drift"
        )
