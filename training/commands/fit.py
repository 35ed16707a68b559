"""`python -m training fit`: train models by a recipe and write a bundle."""

from __future__ import annotations

import argparse
from typing import Any

from steeldefect.program.command import local_path, positive


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
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
        "--split", type=local_path, metavar="FILE", help="split file; default: the recipe's split"
    )
    parser.add_argument("--fold", type=int, help="fold of the split file, from 0")
    parser.add_argument(
        "--max-minutes",
        type=_minutes,
        metavar="N",
        help="time limit of the whole fit; learning rates reach their end, the bundle is complete",
    )
    parser.add_argument(
        "--work",
        type=local_path,
        metavar="DIR",
        help="states and TensorBoard logs (default: BUNDLE.fit); a killed fit resumes from them",
    )
    parser.add_argument(
        "--keep-states", action="store_true", help="keep the models' states in the work folder"
    )
    parser.add_argument(
        "--epochs", type=positive, help="epochs of both models; default: the recipe's"
    )
    parser.add_argument("--seed", type=int, help="random seed; default: the recipe's")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="a.b=VALUE",
        dest="overrides",
        help="change a setting of the recipe, such as gate.kind=none; repeatable",
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
    """Fit the models and print a summary."""
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
    print(summarise(fit(options.data, recipe, options.bundle, how).bundle))
