"""Measure how well defects are recognised that no label has ever named.

    python -m benchmarks.unknown_defects --data DIR --weights FILE [--seeds N...]
        [--leave-out] [--recipe FILE] [--minutes N]

Fits a bundle of the recipe `normal` on the clean pictures of a labelled folder, once for each seed
of the split. No defective picture is used to fit it, so every class is unseen. All defective
pictures of each class are compared with the clean pictures of the test part: the area under the ROC
curve of their oddness, and the share at or above the limit. Intervals are 95%, by bootstrap over
groups of pictures; the pictures of all seeds count together.

With `--leave-out`, each class is left out in turn: a bundle of `--recipe` (default: `strong`) is
fitted without any picture that shows the class, for `--minutes` each. Then the table also has the
AUC of the gate's probability, which has learnt other defects.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score

from steeldefect.program.command import CommandParser, local_path, positive, run_command

if TYPE_CHECKING:
    from training.data.dataset import DataSet, LabelledPicture

_RECIPES = {False: Path("conf/recipes/normal.yaml"), True: Path("conf/recipes/strong.yaml")}
_DRAWS = 2000


class Judged(NamedTuple):
    """A picture, judged by the bundle of one seed.

    Attributes:
        group: its group; near-duplicates are in one.
        classes: its classes; empty if it is clean.
        oddness: its oddness, from 0 to 1.
        probability: the gate's probability.
        above: whether it is at or above the limit.
    """

    group: str
    classes: frozenset[int]
    oddness: float
    probability: float
    above: bool


def main() -> int:
    """Fit, measure, print the table, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.unknown_defects", description=__doc__)
    parser.add_argument("--data", type=local_path, required=True, help="labelled pictures")
    parser.add_argument("--weights", type=local_path, required=True, help="of the encoder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the splits")
    parser.add_argument("--leave-out", action="store_true", help="fit without one class at a time")
    parser.add_argument("--recipe", type=local_path, help="with --leave-out: strong by default")
    parser.add_argument("--minutes", type=float, help="with --leave-out: of each fit")
    parser.add_argument("--draws", type=positive, default=_DRAWS, help="draws of the bootstrap")
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    from benchmarks.machine import machine
    from training.data.dataset import read_dataset
    from training.splitting.views import find_near_duplicates, join_groups

    dataset = read_dataset(options.data)
    groups = join_groups(dataset.pictures, find_near_duplicates(dataset.pictures))
    grouped = tuple(replace(one, group=groups[one.name]) for one in dataset.pictures)
    dataset = replace(dataset, pictures=grouped)
    names = dataset.class_names
    judged: dict[int, list[Judged]] = {number: [] for number in names}
    for seed in options.seeds:
        if options.leave_out:
            for number in names:
                judged[number] += _without(options, seed, dataset, number)
        else:
            of_all = list(_judged(options, options.data, seed, dataset.pictures))
            for number in names:
                judged[number] += of_all
    print(f"CPU: {machine()['CPU']}\n")
    print("| | pictures | AUC against clean pictures | of the gate | above the limit |")
    print("|---|---:|---:|---:|---:|")
    rows = [_row(names[number], judged[number], number, options.draws) for number in names]
    novelty, gate = (f"{np.nanmean(values):.3f}" for values in zip(*rows, strict=True))
    print(f"| mean of the classes | | {novelty} | {gate if options.leave_out else ''} | |")
    fits = [*judged.values()] if options.leave_out else [*judged.values()][:1]
    clean = [one.above for of_fit in fits for one in of_fit if not one.classes]
    print(f"| clean | {len(clean)} | | | {np.mean(clean):.4f} |")


def _without(
    options: argparse.Namespace, seed: int, dataset: DataSet, number: int
) -> Iterator[Judged]:
    """Fit without the pictures of a class; judge these, and the clean ones of the test part."""
    from steeldefect.pictures import run_lengths
    from training.synthetic.folder import Truth, write_csv, write_labels

    kept = [one for one in dataset.pictures if number not in one.runs]
    names = {key: name for key, name in dataset.class_names.items() if key != number}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images").mkdir()
        for one in kept:
            (folder / "images" / one.path.name).symlink_to(one.path.resolve())
        truths = [
            Truth(one.name, {key: run_lengths.to_text(runs) for key, runs in one.runs.items()})
            for one in kept
        ]
        write_labels(folder, truths, names)
        write_csv(
            folder / "groups.csv", ("ImageId", "group"), [(one.name, one.group) for one in kept]
        )
        shown = [one for one in dataset.pictures if number in one.runs or not one.defective]
        yield from _judged(options, folder, seed, shown)


def _judged(
    options: argparse.Namespace, data: Path, seed: int, pictures: Sequence[LabelledPicture]
) -> Iterator[Judged]:
    """Fit with a seed; judge all defective pictures, and the clean ones of the test part."""
    from steeldefect.detection.open_detector import open_detector
    from steeldefect.runtimes import RuntimeChoice, RuntimeOptions
    from training.evaluation.held_out_csv import HELD_OUT_NAME, read_held_out
    from training.evaluation.run_detector import run_gate
    from training.fit import FitOptions, fit
    from training.recipe import read_recipe

    path = options.recipe or _RECIPES[options.leave_out]
    recipe = read_recipe(path, [f"segmenter.weights={options.weights}"], seed=seed)
    how = FitOptions(max_minutes=options.minutes)
    with tempfile.TemporaryDirectory() as folder:
        bundle = fit(data, recipe, Path(folder, "bundle"), how).bundle
        path = bundle.folder / HELD_OUT_NAME
        held_out = read_held_out(path.read_bytes(), str(path)).pictures.index
        shown = [one for one in pictures if one.defective or one.name in held_out]
        detector = open_detector(bundle, RuntimeOptions(runtime=RuntimeChoice.OPENVINO))
        for batch in run_gate(detector, shown):
            for picture, answer in zip(batch.pictures, batch.judged.each(), strict=True):
                above = answer.is_odd(bundle.manifest.novelty)
                yield Judged(
                    picture.group,
                    frozenset(picture.runs),
                    answer.oddness,
                    answer.probability,
                    above,
                )


def _row(name: str, judged: Sequence[Judged], number: int, draws: int) -> tuple[float, float]:
    """Print the row of a class; return the AUC of novelty, and that of the gate."""
    positive = [one for one in judged if number in one.classes]
    clean = [one for one in judged if not one.classes]
    if not positive:
        print(f"| {name} | 0 | | | |")
        return float("nan"), float("nan")
    value = _auc([one.oddness for one in positive], [one.oddness for one in clean])
    random = np.random.default_rng(0)
    drawn = [_auc(_drawn(positive, random), _drawn(clean, random)) for _ in range(draws)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    above = np.mean([one.above for one in positive])
    gate = _auc([one.probability for one in positive], [one.probability for one in clean])
    interval = f"({low:.3f} to {high:.3f})"
    print(f"| {name} | {len(positive)} | {value:.3f} {interval} | {gate:.3f} | {above:.2f} |")
    return value, gate


def _drawn(judged: Sequence[Judged], random: np.random.Generator) -> list[float]:
    """Return the oddness of as many groups, drawn with replacement."""
    groups: dict[str, list[float]] = {}
    for one in judged:
        groups.setdefault(one.group, []).append(one.oddness)
    all_groups = list(groups.values())
    places = random.integers(0, len(all_groups), len(all_groups))
    return [value for place in places for value in all_groups[place]]


def _auc(positive: Sequence[float], clean: Sequence[float]) -> float:
    labels = [1] * len(positive) + [0] * len(clean)
    return float(roc_auc_score(labels, [*positive, *clean]))


if __name__ == "__main__":
    sys.exit(main())
