"""`python -m training fit`: data and recipe in, bundle out."""

from __future__ import annotations

import argparse
from typing import Any

from steeldefect.command import local_path, positive


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


def run(options: argparse.Namespace) -> None:
    """Fit, and print what came of it."""
    from training.recipe import read_recipe

    recipe = read_recipe(options.recipe, options.overrides, options.epochs, options.seed)

    from training.fit import fit  # TensorFlow takes seconds to import: after all cheap checks
    from training.summary import summarise

    print(summarise(fit(options.data, recipe, options.bundle)))
