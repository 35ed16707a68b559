"""Measure how good models are with few labelled pictures: the learning curve of a recipe.

    python -m benchmarks.learning_curve --data DIR --recipe RECIPE --out DIR --strips 10 20 30 42
        [--archive DIR] [--repeats 10=2] [--set SETTING=VALUE ...] [--table]

For each number of pictures, this many are chosen evenly by class; the others count as not
labelled. Five folds of them are fitted and pooled, so that every chosen picture tests a model that
has not seen it, with thresholds that the other folds choose. With `--archive`, each fold is also
fitted with pictures that `generate --like` makes from its own labelled and those unlabelled
pictures. All fits see the same number of pictures (`--draws`). `--repeats 10=2` takes two parts of
10 pictures without a common one, and scores both together. Intervals are over groups of pictures:
they do not count that another choice of pictures, or another seed, would give other models.

Whatever exists in `--out` is not made again. Several such commands may work on different numbers of
pictures at the same time. `--table` makes nothing, and prints what is there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.learning_curve.drawing import draw
from benchmarks.learning_curve.fits import Settings, pool_of, run_point
from benchmarks.learning_curve.scores import METRICS, Point, score_point
from benchmarks.learning_curve.subsets import in_even_order, write_subset
from steeldefect.errors import SettingsError
from steeldefect.program.command import CommandParser, local_path, positive, run_command
from training.data.dataset import DataSet, read_dataset
from training.export.time_forms import this_cpu


def main() -> int:
    """Fit what is missing, print the table, draw, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.learning_curve", description=__doc__)
    parser.add_argument("--data", type=local_path, required=True, help="labelled pictures")
    parser.add_argument("--recipe", type=local_path, required=True, help="recipe of all fits")
    parser.add_argument("--out", type=local_path, required=True, help="folder for the bundles")
    parser.add_argument(
        "--strips", nargs="+", type=positive, required=True, help="numbers of labelled pictures"
    )
    parser.add_argument("--archive", type=local_path, help="unlabelled pictures")
    parser.add_argument("--made", type=positive, default=120, help="pictures made for each fold")
    parser.add_argument("--draws", type=positive, default=800, help="pictures shown in a fit")
    parser.add_argument(
        "--repeats", nargs="+", type=_pair, default=[], metavar="STRIPS=TIMES", help="parts to test"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice of pictures")
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", help="setting of all fits"
    )
    parser.add_argument("--table", action="store_true", help="print what is there, fit nothing")
    parser.add_argument("--svg", type=local_path, help="file of the chart")
    return run_command(parser, _run)


def _pair(text: str) -> tuple[int, int]:
    strips, _, times = text.partition("=")
    if not (strips.isdecimal() and times.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text}: write STRIPS=TIMES, such as 10=2")
    return int(strips), int(times)


def _run(options: argparse.Namespace) -> None:
    dataset = read_dataset(options.data)
    settings = Settings(
        options.out,
        options.recipe,
        options.overrides,
        options.draws,
        options.archive,
        options.made,
    )
    points = []
    for strips in options.strips:
        parts = _parts(dataset, strips, dict(options.repeats).get(strips, 1), options)
        for with_archive in (False, True) if options.archive else (False,):
            if not options.table:
                for data in parts:
                    run_point(data, settings, with_archive=with_archive)
            bundles = [pool_of(one, with_archive=with_archive) for one in parts]
            if all(one.exists() for one in bundles):
                points.append(score_point(strips, bundles, with_archive=with_archive))
    print(f"CPU: {this_cpu().name}\n")
    print("\n".join(_table(points)))
    if options.svg is not None:
        draw(points, options.svg)


def _parts(dataset: DataSet, strips: int, times: int, options: argparse.Namespace) -> list[Path]:
    """Return data folders of so many pictures; write those that are missing."""
    if strips * times > len(dataset.pictures):
        raise SettingsError(
            f"--strips {strips}: {times} parts of {strips} pictures are more than the "
            f"{len(dataset.pictures)} pictures of {dataset.folder}"
        )
    ordered = in_even_order(dataset, options.seed)
    folders = []
    for number in range(times):
        folder = options.out / f"strips_{strips}_{number}"
        if not folder.is_dir() and not options.table:
            write_subset(dataset, ordered[number * strips : (number + 1) * strips], folder)
        folders.append(folder)
    return folders


def _table(points: list[Point]) -> Iterator[str]:
    yield "| labelled | tested | archive | " + " | ".join(METRICS) + " |"
    yield "|---:|---:|---|" + "---|" * len(METRICS)
    for one in points:
        cells = [str(one.strips), str(one.tested), "yes" if one.with_archive else "no"]
        for name in METRICS:
            value, ends = one.values[name], one.intervals[name]
            around = "" if ends is None else f" ({ends[0]:.3f} to {ends[1]:.3f})"
            cells.append("-" if value is None else f"{value:.3f}{around}")
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
