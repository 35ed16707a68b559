"""`python -m training fit`, `python -m training generate` and `python -m training explore`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from steeldefect.command import CommandParser, local_path, positive, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    return run_command(_parser(), lambda options: options.run(options), arguments)


def _parser() -> CommandParser:
    parser = CommandParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fit = commands.add_parser("fit", help="train gate and segmenter, write a bundle")
    fit.set_defaults(run=_fit)
    fit.add_argument("--data", type=local_path, required=True, help="folder of labelled pictures")
    fit.add_argument("--recipe", type=local_path, required=True, help="YAML file of settings")
    fit.add_argument(
        "--bundle", type=local_path, required=True, help="folder to write; must not exist"
    )
    fit.add_argument("--epochs", type=positive, help="for both models, instead of the recipe's")
    fit.add_argument("--seed", type=int, help="instead of the recipe's")
    fit.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="a.b=VALUE",
        dest="overrides",
        help="another value for a setting of the recipe, such as gate.kind=none; repeatable",
    )
    generate = commands.add_parser("generate", help="draw a labelled data set of steel strips")
    generate.set_defaults(run=_generate)
    generate.add_argument("--data", type=local_path, required=True, help="folder to write")
    generate.add_argument("--pictures", type=positive, required=True, help="how many")
    generate.add_argument("--seed", type=int, default=0, help="of the set (default: 0)")
    generate.add_argument("--first", type=int, default=0, help="number of the first picture")
    explore = commands.add_parser("explore", help="show what lies in a folder of pictures")
    explore.set_defaults(run=_explore)
    explore.add_argument("--data", type=local_path, required=True, help="folder; may lack any part")
    explore.add_argument("--out", type=local_path, required=True, help="folder for page and tables")
    explore.add_argument("--masks", type=local_path, metavar="FILE", help="instead of train.csv")
    explore.add_argument("--labels", type=local_path, metavar="FILE", help="instead of labels.csv")
    explore.add_argument(
        "--picture-size",
        metavar="WIDTHxHEIGHT",
        help="in pixels, of pictures that are not there: for places and shares of their masks",
    )
    return parser


def _fit(options: argparse.Namespace) -> None:
    from training.recipe import read_recipe

    recipe = read_recipe(options.recipe, options.overrides, options.epochs, options.seed)

    from training.fit import fit  # TensorFlow takes seconds to import: after all cheap checks
    from training.summary import summarise

    print(summarise(fit(options.data, recipe, options.bundle)))


def _generate(options: argparse.Namespace) -> None:
    from training.synthetic import generate

    generate(options.data, pictures=options.pictures, seed=options.seed, first=options.first)
    print(f"{options.pictures} pictures in {options.data}")


def _explore(options: argparse.Namespace) -> None:
    from training.explore.run import explore
    from training.explore.source import Request, read_shape

    shape = None if options.picture_size is None else read_shape(options.picture_size)
    request = Request(options.data, options.masks, options.labels, shape)
    print(explore(request, options.out))


if __name__ == "__main__":
    sys.exit(main())
