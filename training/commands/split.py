"""`python -m training split`: write a split file, so that fits can be compared; or check one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from steeldefect.errors import SettingsError
from steeldefect.program.command import local_path

if TYPE_CHECKING:
    from training.recipe import Split
    from training.splitting.split import SplitMade

_MADE_WITH = ("seed", "validation", "test", "folds")


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("split", help="divide pictures into train, validation and test")
    parser.set_defaults(run=run)
    parser.add_argument(
        "--data", type=local_path, required=True, help="folder of labelled pictures"
    )
    file = parser.add_mutually_exclusive_group(required=True)
    file.add_argument(
        "--out", type=local_path, metavar="FILE", help="split file to write; must not exist"
    )
    file.add_argument(
        "--check", type=local_path, metavar="FILE", help="split file to check for overlap"
    )
    parser.add_argument("--seed", type=_seed, help="seed of the split (default: 0)")
    parser.add_argument(
        "--validation", type=float, metavar="SHARE", help="share of all pictures (default: 0.15)"
    )
    parser.add_argument(
        "--test", type=float, metavar="SHARE", help="share of all pictures (default: 0.15)"
    )
    parser.add_argument(
        "--folds", type=_folds, metavar="K", help="folds for cross-validation, not a test part"
    )
    parser.add_argument("--fold", type=int, metavar="N", help="fold to check, from 0")
    parser.add_argument(
        "--groups-only",
        action="store_true",
        help="do not search near-duplicates; use only groups.csv",
    )


def run(options: argparse.Namespace) -> None:
    """Make a split and print its contents, or check a split file."""
    if options.check is None:
        _make(options)
    else:
        _check(options)


def _make(options: argparse.Namespace) -> None:
    if options.fold is not None:
        raise SettingsError("--fold is for --check; --folds K makes K of them")
    if options.folds is not None and options.test is not None:
        raise SettingsError("--folds take turns as the test part; leave out --test")
    shares = _shares(options)

    from training.data.dataset import read_dataset
    from training.splitting.files import refuse_existing
    from training.splitting.split import make_split
    from training.splitting.table import table_of

    refuse_existing(options.out)  # reading the data takes minutes
    dataset = read_dataset(options.data)
    made = make_split(options.out, dataset, shares, options.seed or 0, options.folds)
    print(table_of(made.division, dataset.class_names))
    print(_describe(made, options.groups_only))
    print(options.out)


def _check(options: argparse.Namespace) -> None:
    extra = [f"--{name}" for name in _MADE_WITH if getattr(options, name) is not None]
    if extra:
        raise SettingsError(f"--check takes the file as it is; leave out {' and '.join(extra)}")
    shares = _shares(options)

    from training.data.dataset import read_dataset
    from training.splitting.split import parts_for

    parts = parts_for(read_dataset(options.data), shares, 0, options.check, options.fold)
    counts = ", ".join(f"{count} {name}" for name, count in parts.counts().items())
    print(f"no overlap: {counts}" + (" (near-duplicates not searched)" * options.groups_only))


def _shares(options: argparse.Namespace) -> Split:
    from steeldefect.settings import validate
    from training.recipe import NearDuplicates, Split

    test = options.test if options.folds is None else 1 / options.folds
    given = {"validation": options.validation, "test": test}
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if options.groups_only:
        values["near_duplicates"] = NearDuplicates.IGNORE
    return validate(Split, values, "shares of the split")


def _describe(made: SplitMade, groups_only: bool) -> str:
    known = f"{made.groups_before} before near-duplicates were joined"
    copies = "near-duplicates not searched" if groups_only else known
    return f"{made.groups} groups, the largest of {made.largest_group} pictures; {copies}"


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2^31 - 1")
    return int(text)


def _folds(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 1")
    return int(text)
