"""Pack this Python environment for Spark executors."""

from __future__ import annotations

import argparse

from steeldefect.commands.arguments import add_overwrite_argument, existing_of
from steeldefect.program.command import local_path


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser("pack", help="pack this environment for spark-submit --archives")
    parser.add_argument("file", type=local_path, metavar="FILE.tar.gz")
    parser.add_argument("--gpu", action="store_true", help="include TensorFlow, as installed here")
    add_overwrite_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the archive, and print its size."""
    from steeldefect.spark.cluster_pack import pack

    size = pack(arguments.file, arguments.gpu, existing_of(arguments))
    print(f"{arguments.file}, {size / 2**20:.0f} MiB")
