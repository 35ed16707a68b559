"""A segmenter that learns unlabelled pictures from its own average: the mean teacher.

    A. Tarvainen and H. Valpola, "Mean teachers are better role models", 2017
    G. French, S. Laine, T. Aila, M. Mackiewicz and G. Finlayson, "Semi-supervised semantic
    segmentation needs strong, varied perturbations", 2020

The teacher is the running average of the weights, which the optimizer keeps. It looks at each
unlabelled picture as it is. The student must give the same answer for the picture changed: brighter
or darker, with noise, and with a part of another picture in it (CutMix), whose answer is put in
there as well.
"""

from __future__ import annotations

from typing import Any

from training.backend import keras, tf

ops = keras.ops

_GAIN, _OFFSET, _NOISE = 0.2, 0.2, 0.15
"""Greatest changes of a picture, in standard deviations of its values; the gain is a logarithm."""
_LEAST_PART, _MOST_PART = 0.2, 0.5
"""Share of a picture that is taken from another one."""


class MeanTeacher(keras.Model):  # type: ignore[misc]
    """A model that trains on batches of which some pictures are `training.data.samples.UNLABELLED`.

    Construct it from the inputs and outputs of a functional model, whose layers it then trains.
    """

    def __init__(self, *args: Any, seed: int, **options: Any) -> None:
        """Build the model.

        Args:
            args: inputs and outputs.
            seed: seed of the changes of unlabelled pictures.
            options: further options of Keras' models.
        """
        super().__init__(*args, **options)
        self._random = keras.random.SeedGenerator(seed)

    def train_step(self, data: tuple[Any, ...]) -> dict[str, Any]:
        """Make one step.

        Args:
            data: pictures (n, h, w, c), and truth (n, h, w, classes); all values of the truth of an
                unlabelled picture are below 0.
        """
        pictures, truth, _ = keras.utils.unpack_x_y_sample_weight(data)
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        unlabelled = truth[:, :1, :1, :1] < 0
        pictures, truth = self._completed(pictures, truth, unlabelled)
        with tf.GradientTape() as tape:
            predicted = self(pictures, training=True)
            loss = self.compute_loss(pictures, truth, predicted)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=ops.shape(pictures)[0])
        known = ops.where(unlabelled, 0.0, truth)  # metrics compare with people's masks alone
        values: dict[str, Any] = self.compute_metrics(pictures, known, predicted)
        return values

    def _completed(self, pictures: Any, truth: Any, unlabelled: Any) -> tuple[Any, Any]:
        """Return changed pictures with the teacher's answers where nobody knows the truth."""
        truth = ops.where(unlabelled, self._teacher(pictures), truth)
        changed = self._perturbed(pictures)
        inside = self._part(pictures)
        changed = ops.where(inside, ops.roll(changed, 1, axis=0), changed)
        mixed = ops.where(inside, ops.roll(truth, 1, axis=0), truth)
        return ops.where(unlabelled, changed, pictures), ops.where(unlabelled, mixed, truth)

    def _teacher(self, pictures: Any) -> Any:
        """Return the answers of the averaged weights: (n, h, w, classes), without a gradient."""
        averages = self.optimizer._model_variables_moving_average  # Keras' own callbacks read it
        begun = self.optimizer.iterations > 0  # before the first step, they are 0
        weights = [
            ops.where(begun, average, own)
            for average, own in zip(averages, self.trainable_variables, strict=True)
        ]
        answers, _ = self.stateless_call(
            weights, self.non_trainable_variables, pictures, training=False
        )
        return ops.stop_gradient(ops.cast(answers, "float32"))

    def _perturbed(self, pictures: Any) -> Any:
        """Change brightness and contrast of each picture, and add noise."""
        one_each = (ops.shape(pictures)[0], 1, 1, 1)
        spread = ops.std(pictures, axis=(1, 2, 3), keepdims=True)
        gain = ops.exp(self._uniform(one_each, -_GAIN, _GAIN))
        offset = spread * self._uniform(one_each, -_OFFSET, _OFFSET)
        noise = keras.random.normal(ops.shape(pictures), seed=self._random)
        strength = spread * self._uniform(one_each, 0.0, _NOISE)
        return gain * pictures + offset + strength * noise

    def _part(self, pictures: Any) -> Any:
        """Choose a rectangle of each picture: bool (n, h, w, 1), true inside."""
        count, height, width = ops.shape(pictures)[:3]
        one_each = (count, 1, 1, 1)
        half = ops.sqrt(self._uniform(one_each, _LEAST_PART, _MOST_PART)) / 2.0
        inside: Any = True
        for size, shape in ((height, (1, height, 1, 1)), (width, (1, 1, width, 1))):
            places = ops.reshape(
                ops.arange(size, dtype="float32") / ops.cast(size, "float32"), shape
            )
            centre = half + self._uniform(one_each, 0.0, 1.0) * (1.0 - 2.0 * half)
            inside = ops.logical_and(inside, ops.abs(places - centre) <= half)
        return inside

    def _uniform(self, shape: tuple[Any, ...], least: float, most: float) -> Any:
        return keras.random.uniform(shape, least, most, seed=self._random)
