"""Let an encoder and its decoder restore hidden parts of unlabelled pictures, before a fit.

    python -m benchmarks.warm_up --pictures DIR --recipe conf/recipes/strong.yaml --bundle DIR

A self-supervised warm-up (He, Chen, Xie, Li, Dollar and Girshick, "Masked autoencoders are scalable
vision learners", 2022; here with convolutions): half of the squares of a window are hidden, and the
network learns their gray values. The bundle that it writes finds nothing: fits continue from it,
with `--set segmenter.weights=DIR`. `benchmarks.unlabelled` measures what that is worth.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

from steeldefect.program.command import CommandParser, local_path, positive, run_command
from training.backend import keras, tf
from training.data.batches import Plan, batches_of_epoch, fixed_batches, training_batches
from training.data.dataset import DataSet, fingerprint_of
from training.data.samples import segmenter_samples
from training.data.unlabelled import unlabelled_pictures
from training.export.draft_manifest import draft_of_fit
from training.export.staging import Models
from training.export.write_bundle import write_bundle
from training.fitting.fit_model import Batches, Objective, fit_model
from training.fitting.schedule import Clock
from training.models import build_segmenter, for_export
from training.models.faster import faster
from training.recipe import read_recipe

ops = keras.ops

_SIDE = 16  # pixels of a hidden square
_HIDDEN = 0.5  # share of the squares
_SPREAD = 6.0  # standard deviations between black and white
_VALIDATED = 32  # pictures


class Restoring(keras.Model):  # type: ignore[misc]
    """A model of one map that learns the gray values of hidden squares.

    Construct it from the inputs and outputs of a functional model, whose layers it then trains.
    """

    def __init__(self, *args: Any, seed: int, **options: Any) -> None:
        """Build the model; `seed`: seed of the squares."""
        super().__init__(*args, **options)
        self._random = keras.random.SeedGenerator(seed)

    def train_step(self, data: tuple[Any, ...]) -> dict[str, Any]:
        """Make one step on pictures (n, h, w, 1) of scaling `standard`; the truth is not used."""
        values: dict[str, Any] = super().train_step(self._task(data))
        return values

    def test_step(self, data: tuple[Any, ...]) -> dict[str, Any]:
        """Return the loss on pictures."""
        values: dict[str, Any] = super().test_step(self._task(data))
        return values

    def _task(self, data: tuple[Any, ...]) -> tuple[Any, Any]:
        """Return pictures with hidden squares; and their gray values, and where they are hidden."""
        pictures, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        count, height, width = ops.shape(pictures)[:3]
        squares = (count, -(-height // _SIDE), -(-width // _SIDE), 1)
        drawn = keras.random.uniform(squares, seed=self._random) < _HIDDEN
        hidden = ops.repeat(ops.repeat(drawn, _SIDE, axis=1), _SIDE, axis=2)[:, :height, :width]
        grays = ops.clip(0.5 + pictures / _SPREAD, 0.0, 1.0)
        asked = ops.concatenate([grays, ops.cast(hidden, "float32")], axis=-1)
        return ops.where(hidden, 0.0, pictures), asked


def restored(asked: Any, predicted: Any) -> Any:
    """Compute the mean squared error of the gray values of hidden pixels; see `Restoring`."""
    grays, hidden = asked[..., :1], asked[..., 1:]
    return ops.sum(hidden * (predicted - grays) ** 2) / (ops.sum(hidden) + 1.0)


def main() -> int:
    """Fit, write the bundle, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.warm_up", description=__doc__)
    parser.add_argument("--pictures", type=local_path, required=True, help="unlabelled pictures")
    parser.add_argument("--recipe", type=local_path, required=True, help="recipe of the fit")
    parser.add_argument("--bundle", type=local_path, required=True, help="folder to write")
    parser.add_argument("--draws", type=positive, default=16_000, help="pictures that are shown")
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", help="setting of the recipe"
    )
    return run_command(parser, _run)


def _run(options: argparse.Namespace) -> None:
    pictures = tuple(unlabelled_pictures(options.pictures, options.pictures.name, "--pictures"))
    fingerprint = fingerprint_of(options.pictures, [one.path for one in pictures])
    dataset = DataSet(options.pictures, pictures, {1: "gray"}, fingerprint)
    recipe = read_recipe(options.recipe, [*options.overrides, "gate.kind=none", "novelty=null"])
    recipe = recipe.for_pictures([one.shape for one in pictures])
    epochs = math.ceil(options.draws / len(pictures))
    settings = recipe.segmenter.model_copy(update={"epochs": epochs, "patience": epochs})
    spec, size = settings.spec, settings.batch_size
    samples = segmenter_samples(pictures, spec, (1,), 0.5, 2**32)
    some = segmenter_samples(pictures[:_VALIDATED], spec, (1,), 0.5, 2**32)

    def train(first: int, last: int, whole: bool, clock: Clock) -> tf.data.Dataset:
        changes = settings.augment.of_whole_pictures() if whole else settings.augment
        return training_batches(samples, spec, Plan(size, changes, recipe.seed, (first, last)))

    keras.utils.set_random_seed(recipe.seed)
    model, loaded = build_segmenter(settings, 1)
    trained = faster(model, recipe.arithmetic)
    restoring = Restoring(trained.inputs, trained.outputs[0], name=trained.name, seed=recipe.seed)
    fed = Batches(train, batches_of_epoch(len(samples), size), fixed_batches(some, spec, size))
    work = options.bundle.with_name(f"{options.bundle.name}.fit")
    state = fit_model(restoring, fed, settings, Objective(restored, ()), work)
    notes = [f"it restores gray values, and finds nothing; {loaded.note or 'random weights'}"]
    manifest = draft_of_fit(
        dataset, {"train": len(pictures)}, recipe, notes, minutes=state.seconds / 60
    )
    write_bundle(options.bundle, Models(None, for_export(model, spec)), manifest)


if __name__ == "__main__":
    sys.exit(main())
