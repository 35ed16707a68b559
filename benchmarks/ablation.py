"""Measure what each choice of a recipe is worth: fit it unchanged, then with one change at a time.

    python -m benchmarks.ablation --data DIR --split split.csv --recipe conf/recipes/strong.yaml \
        --out DIR --set gate.kind=none --set segmenter.epochs=6 --set compile.int8_pictures=0

Prints a table: for each row, Dice on the test part of the split, and the difference to the
unchanged recipe with its 95% interval, paired over groups of pictures. All rows have the same
number of epochs, not the same time; the table shows the minutes. Every row is one `fit` command,
which is printed to standard error. A row is not fitted again if its bundle exists.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.training_command import run_training
from steeldefect.errors import SettingsError
from steeldefect.program.command import CommandParser, local_path, run_command

BASE = "base"
ROWS: dict[str, tuple[str, ...]] = {
    BASE: (),
    "focal_tversky": ("segmenter.loss=focal_tversky",),
    "pooled_dice": ("segmenter.loss=bce_dice",),
    "lovasz": ("segmenter.loss=bce_lovasz",),
    "random_weights": ("segmenter.weights=null",),
    "whole_pictures": ("segmenter.augment.crop=null",),
    "windows_anywhere": ("segmenter.augment.crop.defect_share=0",),
    "no_paste": ("segmenter.augment.paste=0",),
    "flips_alone": tuple(f"segmenter.augment.{name}=0" for name in ("zoom", "gamma", "noise")),
    "no_averaging": ("segmenter.optimizer.averaging=0",),
    "constant_rate": ("segmenter.optimizer.schedule=constant",),
    "even_sampling": ("segmenter.sampling=even",),
    "defective_only": ("segmenter.pictures=defective",),
    "own_batch_statistics": ("segmenter.freeze_batch_norm=false",),
    "square_input": ("segmenter.input={height: 256, width: 256, channels: 1, scaling: standard}",),
    "black_margins": ("segmenter.augment.black_margin=0.15",),
    "mirrors": ("segmenter.mirrors=[horizontal]",),
}
"""Changed settings of each row. `mirrors` changes only scoring, so it uses the base's fit."""


def main() -> int:
    """Fit the rows that have no bundle, print the table, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.ablation", description=__doc__)
    parser.add_argument("--data", type=local_path, required=True, help="labelled pictures")
    parser.add_argument(
        "--split", type=local_path, required=True, help="file that `training split` wrote"
    )
    parser.add_argument("--recipe", type=local_path, required=True, help="recipe to change")
    parser.add_argument("--out", type=local_path, required=True, help="folder for the bundles")
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", help="setting of all rows"
    )
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"rows: {', '.join(ROWS)}; default: all"
    )
    return run_command(parser, _run)


def _run(options: argparse.Namespace) -> None:
    unknown = sorted(set(options.rows) - set(ROWS))
    if unknown:
        raise SettingsError(f"unknown rows: {', '.join(unknown)}; choose from {', '.join(ROWS)}")
    wanted = [name for name in ROWS if name == BASE or not options.rows or name in options.rows]
    options.out.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        if not (options.out / name / "bundle.json").exists():
            _fit(name, options)
    print(
        "| row | changed | minutes | positives-only Dice | pooled Dice | mean Dice | difference of "
        "positives-only Dice, 95% |\n|---|---|---|---|---|---|---|"
    )
    for name in wanted:
        print(_row(name, options.out), flush=True)


def _fit(name: str, options: argparse.Namespace) -> None:
    bundle: Path = options.out / name
    work = options.out / f"{BASE if name == 'mirrors' else name}.fit"
    command = ["fit", "--data", str(options.data), "--split", str(options.split)]
    command += ["--recipe", str(options.recipe), "--bundle", str(bundle), "--work", str(work)]
    command += ["--keep-states"]
    for setting in [*options.overrides, *ROWS[name]]:
        command += ["--set", setting]
    run_training(command, options.out / f"{name}.log")


def _row(name: str, out: Path) -> str:
    from steeldefect.stores import S3Settings
    from training.registry.comparison import compare, find_contender

    base, other = (find_contender(str(out / one), S3Settings()) for one in (BASE, name))
    comparison = compare(base, other)
    figures = [comparison.figure(one) for one in ("positives_dice", "pooled_dice", "mean_dice")]
    values = [f"{one.second:.3f}" if one and one.second is not None else "-" for one in figures]
    change = "-"
    if name != BASE and figures[0] and figures[0].interval:
        low, high = figures[0].interval
        change = f"{figures[0].difference:+.3f} ({low:+.3f} to {high:+.3f})"
    changed = ", ".join(f"`{one}`" for one in ROWS[name]) or "nothing"
    minutes = f"{other.manifest.training.minutes:.1f}"
    return f"| {' | '.join([name, changed, minutes, *values, change])} |"


if __name__ == "__main__":
    sys.exit(main())
