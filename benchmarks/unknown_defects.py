"""Measure how well defects are recognised that no label has ever named.

    python -m benchmarks.unknown_defects --data DIR --weights FILE [--seeds N...]
        [--leave-out] [--recipe FILE] [--minutes N] [--peers PYTHON]

Fits a bundle of the recipe `normal` on the clean pictures of a labelled folder, once for each seed
of the split. No defective picture is used to fit it, so every class is unseen. All defective
pictures of each class are compared with the clean pictures of the test part: the area under the ROC
curve of their oddness, as the mean over the seeds, and the share at or above the limit. Intervals
are 95%, by bootstrap over groups of pictures; a group that is drawn counts for all seeds.

With `--leave-out`, each class is left out in turn: a bundle of `--recipe` (default: `strong`) is
fitted without any picture that shows the class, for `--minutes` each. Then the table also has the
AUC of the gate's probability, which has learnt other defects.

With `--peers`, anomalib's PaDiM and PatchCore judge the same pictures with the same encoder, fitted
on the clean pictures that the bundle's novelty was fitted on (`benchmarks.anomaly_peers`). PYTHON
has anomalib: `make anomaly-peers` installs it in build/anomaly.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score

from steeldefect.errors import SettingsError
from steeldefect.program.command import CommandParser, local_path, positive, run_command

if TYPE_CHECKING:
    from steeldefect.bundle.files import Bundle
    from training.data.dataset import DataSet, LabelledPicture

_RECIPES = {False: Path("conf/recipes/normal.yaml"), True: Path("conf/recipes/strong.yaml")}
_DRAWS = 2000
_PEERS = ("padim", "patchcore")


class Judged(NamedTuple):
    """A picture, judged by the bundle of one seed.

    Attributes:
        seed: of the split.
        group: its group; near-duplicates are in one.
        classes: its classes; empty if it is clean.
        oddness: its oddness, from 0 to 1.
        probability: the gate's probability.
        above: whether it is at or above the limit.
        peers: scores of `_PEERS`; empty if nobody asked for them.
    """

    seed: int
    group: str
    classes: frozenset[int]
    oddness: float
    probability: float
    above: bool
    peers: tuple[float, ...] = ()


Judge = Callable[[Judged], float]


def main() -> int:
    """Fit, measure, print the table, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.unknown_defects", description=__doc__)
    parser.add_argument("--data", type=local_path, required=True, help="labelled pictures")
    parser.add_argument("--weights", type=local_path, required=True, help="of the encoder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the splits")
    parser.add_argument("--leave-out", action="store_true", help="fit without one class at a time")
    parser.add_argument("--recipe", type=local_path, help="with --leave-out: strong by default")
    parser.add_argument("--minutes", type=float, help="with --leave-out: of each fit")
    parser.add_argument("--peers", type=local_path, help="a Python that has anomalib")
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
    others = ["of the gate"] if options.leave_out else []
    others += [f"of {name}" for name in _PEERS] if options.peers else []
    head = ["", "pictures", "above the limit", "AUC against clean pictures", *others]
    _print_row(head)
    _print_row(["---", *["---:"] * (len(head) - 1)])
    rows = [_row(options, names[number], judged[number], number) for number in names]
    means = (f"{np.nanmean(values):.3f}" for values in zip(*rows, strict=True))
    _print_row(["mean of the classes", "", "", *means])
    fits = [*judged.values()] if options.leave_out else [*judged.values()][:1]
    clean = [one.above for of_fit in fits for one in of_fit if not one.classes]
    _print_row(["clean", f"{len(clean)}", f"{np.mean(clean):.4f}", *[""] * (len(head) - 3)])


def _print_row(cells: Sequence[str]) -> None:
    print(f"| {' | '.join(cells)} |")


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
        clean = [one for one in pictures if not one.defective and one.name not in held_out]
        peers = _of_peers(options.peers, bundle, clean, shown)
        detector = open_detector(bundle, RuntimeOptions(runtime=RuntimeChoice.OPENVINO))
        for batch in run_gate(detector, shown):
            for picture, answer in zip(batch.pictures, batch.judged.each(), strict=True):
                above = answer.is_odd(bundle.manifest.novelty)
                yield Judged(
                    seed,
                    picture.group,
                    frozenset(picture.runs),
                    answer.oddness,
                    answer.probability,
                    above,
                    peers.get(picture.name, ()),
                )


def _of_peers(
    python: Path | None,
    bundle: Bundle,
    clean: Sequence[LabelledPicture],
    judged: Sequence[LabelledPicture],
) -> dict[str, tuple[float, ...]]:
    """Let `benchmarks.anomaly_peers` judge pictures; return the scores by name of the picture."""
    from steeldefect.bundle.files import ModelForm, ModelName
    from steeldefect.pictures.preprocessing import prepare

    if python is None:
        return {}
    spec = bundle.manifest.segmenter.input  # the gate's, too
    material = {
        name: np.stack([prepare(one.read(), spec) for one in pictures])
        for name, pictures in (("clean", clean), ("judged", judged))
    }
    model = bundle.model_path(ModelName.GATE, ModelForm.KERAS)
    with tempfile.TemporaryDirectory() as folder:
        shown, scores = Path(folder, "pictures.npz"), Path(folder, "scores.npz")
        np.savez(shown, **material)
        command = [python, "-m", "benchmarks.anomaly_peers", model, shown, scores]
        quiet = {"TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}
        environment = os.environ | {"PYTHONPATH": os.getcwd()} | quiet
        ended = subprocess.run([str(one) for one in command], check=False, env=environment)
        if ended.returncode:
            raise SettingsError(
                f"--peers {python}: it failed, see its messages above; `make anomaly-peers` "
                "installs what it needs in build/anomaly"
            )
        with np.load(scores) as found:
            columns = [found[name].tolist() for name in _PEERS]
    names = [one.name for one in judged]
    return dict(zip(names, zip(*columns, strict=True), strict=True))


def _row(
    options: argparse.Namespace, name: str, judged: Sequence[Judged], number: int
) -> list[float]:
    """Print the row of a class; return the AUC of novelty, then those of the others."""
    positive = [one for one in judged if number in one.classes]
    clean = [one for one in judged if not one.classes]
    judges: list[Judge] = [attrgetter("oddness")]
    judges += [attrgetter("probability")] if options.leave_out else []
    judges += [_peer(place) for place in range(len(_PEERS) if options.peers else 0)]
    if not positive:
        _print_row([name, "0", "", *[""] * len(judges)])
        return [float("nan")] * len(judges)
    values, cells = [], []
    for judge in judges:
        random = np.random.default_rng(0)
        drawn = [
            _mean_auc(_drawn(positive, random), _drawn(clean, random), judge)
            for _ in range(options.draws)
        ]
        low, high = np.quantile(drawn, [0.025, 0.975])
        values.append(_mean_auc(positive, clean, judge))
        cells.append(f"{values[-1]:.3f} ({low:.3f} to {high:.3f})")
    above = np.mean([one.above for one in positive])
    _print_row([name, f"{len(positive)}", f"{above:.2f}", *cells])
    return values


def _peer(place: int) -> Judge:
    return lambda one: one.peers[place]


def _drawn(judged: Sequence[Judged], random: np.random.Generator) -> list[Judged]:
    """Draw as many groups with replacement."""
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        groups.setdefault(one.group, []).append(one)
    all_groups = list(groups.values())
    places = random.integers(0, len(all_groups), len(all_groups))
    return [one for place in places for one in all_groups[place]]


def _mean_auc(positive: Sequence[Judged], clean: Sequence[Judged], judge: Judge) -> float:
    """Return the mean AUC over the fits: what two fits say of pictures is not compared."""
    of_fits = []
    for seed in {one.seed for one in positive} & {one.seed for one in clean}:
        judged = [[judge(one) for one in part if one.seed == seed] for part in (positive, clean)]
        labels = [truth for truth, part in zip((1, 0), judged, strict=True) for _ in part]
        of_fits.append(roc_auc_score(labels, [*judged[0], *judged[1]]))
    return float(np.mean(of_fits))


if __name__ == "__main__":
    sys.exit(main())
