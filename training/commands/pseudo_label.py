"""`python -m training pseudo-label`: turn confident answers into training pictures."""

from __future__ import annotations

import argparse
from typing import Any

from steeldefect.errors import SettingsError
from steeldefect.program.command import local_path, positive


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "pseudo-label",
        help="turn confident answers of a bundle on unlabelled pictures into training pictures",
        description="Reads what a bundle found on the pictures of an archive, and writes those "
        "pictures whose answers are all confident as a data folder, for data.extra of a recipe. "
        "How sure an answer must be is measured on the validation part of --data.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("--tables", required=True, metavar="URI", help="output of the scoring runs")
    parser.add_argument(
        "--bundle",
        required=True,
        metavar="DIGEST",
        help="bundle whose answers are used: its digest, or the first characters of it",
    )
    parser.add_argument(
        "--data", type=local_path, required=True, metavar="DIR", help="folder of labelled pictures"
    )
    parser.add_argument(
        "--out", type=local_path, required=True, metavar="DIR", help="folder to write; must be new"
    )
    sure = parser.add_mutually_exclusive_group(required=True)
    sure.add_argument(
        "--models",
        type=local_path,
        metavar="BUNDLE_FOLDER",
        help="folder of this bundle: it is measured on the validation part, and each picture is "
        "taken only if mirrored copies get the same answer",
    )
    sure.add_argument(
        "--least-probability",
        type=float,
        metavar="P",
        help="instead of --models: least probability of a label; nothing is measured or checked",
    )
    _add_choice(parser)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--precision",
        type=float,
        metavar="SHARE",
        help="share of labels that must be right on the validation part (default: 0.9)",
    )
    parser.add_argument(
        "--split",
        type=local_path,
        metavar="FILE",
        help="split file of --data (default: that in --models)",
    )
    parser.add_argument("--fold", type=int, metavar="K", help="fold of the split file, from 0")
    parser.add_argument(
        "--most",
        type=positive,
        metavar="N",
        help="largest number of pictures; rare classes come first (default: 1000)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the choice among pictures (default: 0)"
    )


def run(options: argparse.Namespace) -> None:
    """Write the folder, and print what it holds.

    Raises:
        SettingsError: options are out of range, or do not fit each other.
        DataError: no answer is confident, or labelled pictures or classes do not fit.
    """
    if options.precision is not None and options.models is None:
        raise SettingsError("--precision is measured with --models; leave it out, or give --models")

    from training.pseudo_labels import PseudoOrder, pseudo_label

    given = {"precision": options.precision, "most": options.most}
    order = PseudoOrder(
        tables=options.tables,
        bundle=options.bundle,
        data=options.data,
        models=options.models,
        least_probability=options.least_probability,
        split_file=options.split,
        fold=options.fold,
        seed=options.seed,
        **{name: value for name, value in given.items() if value is not None},
    )
    made = pseudo_label(options.out, order)
    skipped = ", ".join(f"{count} {reason}" for reason, count in made.skipped.items())
    print(f"skipped: {skipped or 'none'}; {made.left} left")
    number = "unknown" if made.round is None else made.round
    print(f"{len(made.taken)} pictures ({made.clean} clean) in {options.out}, round {number}")
