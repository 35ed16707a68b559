"""`python -m training fit`: data and recipe in, bundle out."""

from __future__ import annotations

import argparse
from typing import Any

from steeldefect.program.command import local_path, positive


def add_to(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser("fit", help="train gate and segmenter, write a bundle")
    parser.set_defaults(run=run)
    parser.add_argument(
        "--data", type=local_path, required=True, help="folder of labelled pictures"
    )
    parser.add_argument("--recipe", type=local_path, required=True, help="YAML file of settings")
    parser.add_argument(
        "--bundle", type=local_path, required=True, help="folder to write; must not exist"
    )
    parser.add_argument(
        "--split", type=local_path, metavar="FILE", help="of `split`, instead of the recipe's own"
    )
    parser.add_argument("--fold", type=int, help="of a split file with folds, from 0")
    parser.add_argument(
        "--max-minutes",
        type=_minutes,
        metavar="N",
        help="for the whole fit; it ends in time with a valid bundle, annealed to its end",
    )
    parser.add_argument(
        "--work",
        type=local_path,
        metavar="DIR",
        help="states and TensorBoard logs (default: BUNDLE.fit); a killed fit goes on from there",
    )
    parser.add_argument(
        "--keep-states", action="store_true", help="leave the models' states in the work folder"
    )
    parser.add_argument("--epochs", type=positive, help="for both models, instead of the recipe's")
    parser.add_argument("--seed", type=int, help="instead of the recipe's")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="a.b=VALUE",
        dest="overrides",
        help="another value for a setting of the recipe, such as gate.kind=none; repeatable",
    )


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes above 0")
    return minutes


def run(options: argparse.Namespace) -> None:
    """Fit, and print what came of it."""
    from training.recipe import read_recipe

    recipe = read_recipe(options.recipe, options.overrides, options.epochs, options.seed)

    from training.fit import FitOptions, fit  # TensorFlow takes seconds: after cheap checks
    from training.summary import summarise

    how = FitOptions(
        split_file=options.split,
        fold=options.fold,
        max_minutes=options.max_minutes,
        work=options.work,
        keep_states=options.keep_states,
    )
    print(summarise(fit(options.data, recipe, options.bundle, how)))
