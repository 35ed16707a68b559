"""`python -m training compare A B`: two bundles side by side on the same held-out pictures."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from steeldefect.errors import SettingsError
from steeldefect.program.command import local_path

if TYPE_CHECKING:
    from steeldefect.stores import S3Settings
    from training.registry.promotion import Measure


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("compare", help="compare the held-out scores of two bundles")
    parser.set_defaults(run=run)
    for name in ("first", "second"):
        parser.add_argument(
            name,
            metavar={"first": "A", "second": "B"}[name],
            help="folder, S3 address, or alias such as s3://plant/models/production",
        )
    add_data_arguments(parser)
    parser.add_argument("--json", type=local_path, metavar="FILE", help="file for the numbers")


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--data`, `--split` and `--fold`."""
    parser.add_argument(
        "--data",
        type=local_path,
        metavar="DIR",
        help="run both bundles on these pictures; default: use the results in the bundles",
    )
    parser.add_argument(
        "--split",
        type=local_path,
        metavar="FILE",
        help="split file whose test part is used; needs --data",
    )
    parser.add_argument("--fold", type=int, metavar="N", help="fold used as the test part, from 0")


def measure_from(options: argparse.Namespace, s3: S3Settings) -> Measure:
    """Return the source of held-out results: the bundles, or `--data` and `--split`.

    Raises:
        SettingsError: one of `--data` and `--split` is missing, or `--fold` lacks both.
        DataError: data or split cannot be used.
    """
    if (options.data is None) != (options.split is None):
        raise SettingsError("--data and --split go together: the split says which pictures count")
    if options.data is None:
        if options.fold is not None:
            raise SettingsError("--fold needs a split file; give --data and --split")
        from training.registry.promotion import carried

        return carried
    from training.registry.measuring import measured_on

    return measured_on(options.data, options.split, options.fold, s3)


def run(options: argparse.Namespace) -> None:
    """Compare two bundles and print the table."""
    from steeldefect.stores import S3Settings
    from training.registry.comparison import compare, find_contender
    from training.registry.comparison_table import lay_out

    s3 = S3Settings()
    sides = [find_contender(uri, s3) for uri in (options.first, options.second)]
    measure = measure_from(options, s3)
    comparison = compare(*(measure(side) for side in sides))
    print(lay_out(comparison))
    if options.json is not None:
        options.json.write_text(comparison.model_dump_json(indent=2) + "\n", encoding="utf-8")
