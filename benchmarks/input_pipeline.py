"""Measure whether training steps wait for their data, and what faster layers are worth.

The first result is one number: the speed with real batches, divided by the speed with one batch
that is already in memory. 1.00 means that training never waits. The second is the speed without
`training.models.faster`, divided by the speed with it, which a fit uses.

    python benchmarks/input_pipeline.py --data DIR --recipe conf/recipes/strong.yaml \
        [--set segmenter.weights=FILE]

Without weights, nothing is frozen.

All figures are measured in one process, in turns, so that other load on the machine slows them
equally. Each turn starts a new pipeline. A pipeline that runs during the measurement of the
ready-made batch would slow it, and would hand over batches that it made in that time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path
from typing import Any

from steeldefect.program.command import CommandParser, local_path, positive, run_command


def main() -> int:
    """Measure, print the table, and return the exit code."""
    parser = CommandParser(prog="python benchmarks/input_pipeline.py", description=__doc__)
    parser.add_argument("--data", type=local_path, required=True, help="labelled pictures")
    parser.add_argument("--recipe", type=local_path, required=True, help="YAML file of settings")
    parser.add_argument("--steps", type=positive, default=30, help="training steps per turn")
    parser.add_argument("--turns", type=positive, default=3, help="turns; the table shows medians")
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", help="setting of the recipe"
    )
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    from training.data.batches import Plan, training_batches
    from training.data.dataset import read_dataset
    from training.data.samples import segmenter_samples
    from training.fitting.losses import segmenter_loss
    from training.fitting.optimizer import make_optimizer
    from training.models import build_segmenter
    from training.models.faster import faster
    from training.recipe import read_recipe

    recipe = read_recipe(options.recipe, ["segmenter.weights=null", *options.overrides])
    dataset = read_dataset(Path(options.data))
    recipe = recipe.for_pictures([one.shape for one in dataset.pictures])
    settings, classes = recipe.segmenter, tuple(dataset.class_names)
    plain = build_segmenter(settings, len(classes))[0]
    model = faster(plain, recipe.arithmetic)
    for one in {id(plain): plain, id(model): model}.values():
        one.compile(make_optimizer(settings.optimizer), segmenter_loss(settings.loss))
    pictures = [one for one in dataset.pictures if one.outlined]
    plan = Plan(settings.batch_size, settings.augment, recipe.seed, (0, 10_000))
    print(f"{len(pictures)} pictures, batches of {settings.batch_size}, {model.name}")
    print(f"{'':<28}{'pictures/s':>12}{'of ready-made':>15}")
    for name, cache in (("from memory", 2**40), ("decoded in every epoch", 0)):
        samples = segmenter_samples(pictures, settings.spec, classes, settings.mask_coverage, cache)
        data = training_batches(samples, settings.spec, plan)
        ready = next(iter(data))
        rates: dict[str, list[float]] = {"plain": [], "ready": [], "real": [], "pipeline": []}
        for one in (plain, model):
            _train(one, [ready] * 3)
        for _ in range(options.turns):
            rates["plain"].append(_train(plain, [ready] * options.steps))
            rates["ready"].append(_train(model, [ready] * options.steps))
            rates["real"].append(_train(model, _some(data, options.steps)))
            rates["pipeline"].append(_train(None, _some(data, 4 * options.steps)))
        middle = {one: statistics.median(values) for one, values in rates.items()}
        for label, rate in (
            ("one batch, ready-made", middle["ready"]),
            ("with plain layers", middle["plain"]),
            (f"training, {name}", middle["real"]),
            ("pipeline alone", middle["pipeline"]),
        ):
            print(f"{label:<28}{rate:>12.1f}{rate / middle['ready']:>15.2f}")


def _some(data: Any, count: int) -> Iterable[Any]:
    """Start a pipeline, wait for its first batch, and return an iterator over `count` batches."""
    batches = iter(data)
    return chain([next(batches)], islice(batches, count - 1))


def _train(model: Any, batches: Iterable[Any]) -> float:
    """Train on batches, or only take them if `model` is None; return pictures per second."""
    began, pictures = time.perf_counter(), 0
    for inputs, truth in batches:
        pictures += len(inputs)
        if model is not None:
            model.train_on_batch(inputs, truth)
    return pictures / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
