"""Measure how well defects are recognised that no label has ever named.

    python -m benchmarks.unknown_defects --data DIR --weights FILE [--seeds N...]

Fits a bundle of the recipe `normal` on the clean pictures of a labelled folder, once for each seed
of the split. No label is used to fit it, so every class is unseen. On the test part, the pictures
of each class are compared with the clean ones: the area under the ROC curve of their novelty, and
the share above the limit. Intervals are 95%, by bootstrap over groups of pictures of all seeds.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmarks.watching import BenchmarkError
from steeldefect.program.command import CommandParser, local_path, positive, run_command

if TYPE_CHECKING:
    from steeldefect.detection.detector import Detector
    from training.data.dataset import LabelledPicture

_RECIPE = Path("conf/recipes/normal.yaml")
_DRAWS = 2000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """A test picture, judged.

    Attributes:
        group: its group, with the seed of the split.
        classes: its classes; empty if it is clean.
        novelty: 1 at the limit.
    """

    group: tuple[int, str]
    classes: frozenset[int]
    novelty: float


def main() -> int:
    """Fit, measure, print the table, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.unknown_defects", description=__doc__)
    parser.add_argument("--data", type=local_path, required=True, help="labelled pictures")
    parser.add_argument("--weights", type=local_path, required=True, help="of the encoder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the splits")
    parser.add_argument("--draws", type=positive, default=_DRAWS, help="draws of the bootstrap")
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    from benchmarks.machine import machine
    from training.data.dataset import read_dataset

    names = read_dataset(options.data).class_names
    judged: list[Judged] = []
    for seed in options.seeds:
        began = time.monotonic()
        found = _judged(options, seed)
        judged += found
        print(
            f"seed {seed}: {len(found)} test pictures, {time.monotonic() - began:.0f} s",
            file=sys.stderr,
        )
    print(f"CPU: {machine()['CPU']}\n")
    print("| | pictures | AUC against clean pictures | above the limit |")
    print("|---|---:|---:|---:|")
    means = [_row(names[number], judged, number, options.draws) for number in names]
    print(f"| mean of the classes | | {np.nanmean(means):.3f} | |")
    clean = np.array([one.novelty >= 1 for one in judged if not one.classes])
    print(f"| clean | {len(clean)} | | {clean.mean():.4f} |")


def _judged(options: argparse.Namespace, seed: int) -> list[Judged]:
    """Fit with a seed; return the judged pictures of its test part."""
    from steeldefect.detection.open_detector import open_detector
    from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions
    from training.data.dataset import read_dataset
    from training.fit import fit
    from training.recipe import read_recipe
    from training.splitting.split import parts_for

    recipe = read_recipe(_RECIPE, [f"segmenter.weights={options.weights}"], seed=seed)
    folder = Path(tempfile.mkdtemp())
    try:
        bundle = fit(options.data, recipe, folder / "bundle").bundle
        runtime = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, precision=Precision.F32)
        detector = open_detector(bundle, runtime)
        parts = parts_for(read_dataset(options.data), recipe.split, seed, None, None)
        return [_judge(detector, one, seed) for one in parts.test]
    finally:
        shutil.rmtree(folder)


def _judge(detector: Detector, picture: LabelledPicture, seed: int) -> Judged:
    judged = detector.judge([detector.prepare(picture.read())])
    novelty = detector.novelty(float(judged.oddness[0]))
    if novelty is None:
        raise BenchmarkError("the recipe's bundle does not judge novelty")
    return Judged((seed, picture.group), frozenset(picture.runs), novelty)


def _row(name: str, judged: Sequence[Judged], number: int, draws: int) -> float:
    """Print the row of a class; return its AUC."""
    positive = [one for one in judged if number in one.classes]
    clean = [one for one in judged if not one.classes]
    if not positive:
        print(f"| {name} | 0 | | |")
        return float("nan")
    value = _auc(_values(positive), _values(clean))
    random = np.random.default_rng(0)
    drawn = [_auc(_drawn(positive, random), _drawn(clean, random)) for _ in range(draws)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    above = np.mean(_values(positive) >= 1)
    print(f"| {name} | {len(positive)} | {value:.3f} ({low:.3f} to {high:.3f}) | {above:.2f} |")
    return value


def _values(judged: Sequence[Judged]) -> Floats:
    return np.array([one.novelty for one in judged])


def _drawn(judged: Sequence[Judged], random: np.random.Generator) -> Floats:
    """Return the novelties of as many groups, drawn with replacement."""
    groups: dict[tuple[int, str], list[float]] = {}
    for one in judged:
        groups.setdefault(one.group, []).append(one.novelty)
    all_groups = list(groups.values())
    places = random.integers(0, len(all_groups), len(all_groups))
    return np.array([value for place in places for value in all_groups[place]])


def _auc(positive: Floats, clean: Floats) -> float:
    """Return the Mann-Whitney statistic: the share of pairs in the right order."""
    ranked = np.sort(clean)
    below = np.searchsorted(ranked, positive, "left") + np.searchsorted(ranked, positive, "right")
    return float(below.mean() / 2 / len(clean))


if __name__ == "__main__":
    sys.exit(main())
