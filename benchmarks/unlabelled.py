"""Measure what unlabelled pictures are worth: most labels of the train part are hidden.

    python -m benchmarks.unlabelled --data DIR --split split.csv --recipe conf/recipes/strong.yaml \
        --labelled 100 --validation 50 --out DIR --set gate.kind=none --set novelty=null

Only so many pictures of the train part count as labelled, and only so many of the validation part
choose thresholds; both are chosen evenly by class. The rest of the train part is an archive that
nobody has labelled. The test part stays as it is. Ways to learn:

    own           the labelled pictures alone
    mean_teacher  and the archive, by the average of the weights (`data.unlabelled`)
    pseudo        and pseudo-labels, which the bundle `own` and `pseudo-label` made of the archive
    taught        and pseudo-labels, with the class maps of the bundle `own` (`data.teacher`)
    warm_up       the labelled pictures, after hidden parts of the archive were restored
                  (`benchmarks.warm_up`, with as many pictures again)

All ways are shown the same number of pictures (`--draws`). The table shows the test part of each
way, and the difference to `own` with its 95% interval, paired over groups of pictures. Whatever
exists in `--out` is not made again. Every command is printed to standard error.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.learning_curve.subsets import in_even_order, write_subset
from benchmarks.training_command import run_python, run_training
from steeldefect.bundle.files import open_bundle
from steeldefect.errors import SettingsError
from steeldefect.program.command import CommandParser, local_path, positive, run_command
from steeldefect.stores import S3Settings
from training.data.dataset import DataSet, LabelledPicture, read_dataset
from training.export.time_forms import this_cpu
from training.registry.comparison import compare, find_contender
from training.splitting.files import read_origin, read_split, write_split
from training.splitting.parts import Parts

OWN = "own"
WAYS = (OWN, "mean_teacher", "pseudo", "taught", "warm_up")
_METRICS = {
    "positives_dice": "positives-only Dice",
    "pooled_dice": "pooled Dice",
    "mean_dice": "mean Dice",
}
_SCORE = Path(__file__).parents[1] / "jobs" / "score.py"


@dataclass(frozen=True)
class Plant:
    """A plant with few labels.

    Attributes:
        data: its data folder: labelled pictures of all parts.
        split: their parts.
        archive: its unlabelled pictures.
        train: number of labelled pictures in the train part.
    """

    data: Path
    split: Path
    archive: Path
    train: int


def main() -> int:
    """Fit what is missing, print the table, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.unlabelled", description=__doc__)
    parser.add_argument("--data", type=local_path, required=True, help="labelled pictures")
    parser.add_argument(
        "--split", type=local_path, required=True, help="file that `training split` wrote"
    )
    parser.add_argument("--recipe", type=local_path, required=True, help="recipe of all fits")
    parser.add_argument("--out", type=local_path, required=True, help="folder of all files")
    parser.add_argument(
        "--labelled", type=positive, default=100, help="pictures to train on that keep their labels"
    )
    parser.add_argument(
        "--validation", type=positive, default=50, help="pictures that choose thresholds"
    )
    parser.add_argument("--draws", type=positive, default=16_000, help="pictures shown in a fit")
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", help="setting of all fits"
    )
    parser.add_argument("ways", nargs="*", metavar="WAY", help=f"{', '.join(WAYS)}; default: all")
    return run_command(parser, _run)


def _run(options: argparse.Namespace) -> None:
    unknown = sorted(set(options.ways) - set(WAYS))
    if unknown:
        raise SettingsError(f"unknown ways: {', '.join(unknown)}; choose from {', '.join(WAYS)}")
    wanted = [one for one in WAYS if one == OWN or not options.ways or one in options.ways]
    plant = _plant(options)
    for way in wanted:
        if not (options.out / way / "bundle.json").exists():
            _fit(way, plant, options)
    print(f"CPU: {this_cpu().name}\n")
    print(f"| way | minutes | {' | '.join(_METRICS.values())} | difference of each, 95% |")
    print(f"|---|---:|{'---|' * len(_METRICS)}---|")
    for way in wanted:
        print(_row(way, options.out), flush=True)


def _plant(options: argparse.Namespace) -> Plant:
    """Return the plant; write its files if they are missing."""
    data, archive = options.out / "labelled", options.out / "archive"
    split = options.out / "split.csv"
    if not split.exists():
        dataset = read_dataset(options.data)
        parts = read_split(options.split, dataset.pictures)
        train = _chosen(dataset, parts.train, options.labelled)
        kept = Parts(train, _chosen(dataset, parts.validation, options.validation), parts.test)
        write_subset(dataset, [one for part in kept.named().values() for one in part], data)
        hidden = {one.name for one in parts.train} - {one.name for one in train}
        (archive / "images").mkdir(parents=True)
        for one in parts.train:
            if one.name in hidden:
                (archive / "images" / one.name).symlink_to(one.path.resolve())
        origin = read_origin(options.split)
        if origin is None:
            raise SettingsError(f"{options.split} does not say how it was made; split again")
        write_split(split, kept, replace(origin, data=read_dataset(data).fingerprint))
    return Plant(data, split, archive, options.labelled)


def _chosen(
    dataset: DataSet, part: tuple[LabelledPicture, ...], count: int
) -> tuple[LabelledPicture, ...]:
    if count >= len(part):
        raise SettingsError(f"{count} pictures of a part with {len(part)} leave none")
    return tuple(in_even_order(replace(dataset, pictures=part), seed=0)[:count])


def _fit(way: str, plant: Plant, options: argparse.Namespace) -> None:
    shown, settings = plant.train, list(options.overrides)
    if way == "mean_teacher":
        settings.append(f"data.unlabelled.folder={plant.archive}")
    elif way == "warm_up":
        settings.append(f"segmenter.weights={_warmed(plant, options)}")
    elif way != OWN:
        pseudo = _pseudo_labels(plant, options.out)
        shown += len(read_dataset(pseudo).pictures)
        settings.append(f"data.extra=[{{folder: {pseudo}}}]")
    if way == "taught":
        settings.append(f"data.teacher.bundle={options.out / OWN}")
    epochs = math.ceil(options.draws / shown)
    settings += [f"segmenter.{name}={epochs}" for name in ("epochs", "patience")]
    command = ["fit", "--data", str(plant.data), "--split", str(plant.split)]
    command += ["--recipe", str(options.recipe), "--bundle", str(options.out / way)]
    for setting in settings:
        command += ["--set", setting]
    run_training(command, options.out / f"{way}.log")


def _warmed(plant: Plant, options: argparse.Namespace) -> Path:
    """Restore hidden parts of the archive; return the bundle that fits continue from."""
    warmed: Path = options.out / "warmed"
    command = ["--pictures", str(plant.archive), "--recipe", str(options.recipe)]
    command += ["--bundle", str(warmed), "--draws", str(options.draws)]
    for setting in options.overrides:
        command += ["--set", setting]
    if not warmed.exists():
        run_python(["-m", "benchmarks.warm_up", *command], options.out / "warmed.log")
    return warmed


def _pseudo_labels(plant: Plant, out: Path) -> Path:
    """Let the bundle `own` score the archive, and make pseudo-labels; return their folder."""
    pseudo, tables, own = out / "pseudo_labels", out / "tables", out / OWN
    if pseudo.exists():
        return pseudo
    score = [str(_SCORE), "--input", str(plant.archive / "images")]
    run_python([*score, "--bundle", str(own), "--output", str(tables)], out / "score.log")
    command = ["pseudo-label", "--tables", str(tables), "--bundle", open_bundle(own).digest]
    command += ["--models", str(own), "--data", str(plant.data), "--split", str(plant.split)]
    run_training([*command, "--out", str(pseudo)], out / "pseudo_labels.log")
    return pseudo


def _row(way: str, out: Path) -> str:
    own, other = (find_contender(str(out / one), S3Settings()) for one in (OWN, way))
    comparison = compare(own, other)
    values, changes = [], []
    for name in _METRICS:
        figure = comparison.figure(name)
        value = None if figure is None else figure.second
        values.append("-" if value is None else f"{value:.3f}")
        if way != OWN and figure is not None and figure.interval:
            low, high = figure.interval
            changes.append(f"{figure.difference:+.3f} ({low:+.3f} to {high:+.3f})")
    minutes = f"{other.manifest.training.minutes:.1f}"
    return f"| {' | '.join([way, minutes, *values, ', '.join(changes) or '-'])} |"


if __name__ == "__main__":
    sys.exit(main())
