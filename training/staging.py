"""Models on their way into a bundle: written and opened in every form, not sealed yet."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from steeldefect.bundle import Bundle, ModelForm, ModelName, input_spec
from steeldefect.detector import Detector
from steeldefect.errors import BundleError
from steeldefect.manifest import CpuPrecision, Manifest
from steeldefect.preprocessing import Float32, Gray, InputSpec
from steeldefect.runtimes.base import (
    DeviceChoice,
    Precision,
    Runtime,
    RuntimeChoice,
    RuntimeOptions,
    form_of,
)
from steeldefect.runtimes.cpu import cpu_precisions
from steeldefect.runtimes.openvino import OpenVinoRuntime
from training.backend import keras, tf
from training.conversion import convert
from training.quantising import quantise
from training.upsampling import resized_at_once


@dataclass(frozen=True)
class Models:
    """The two Keras models of a bundle; without a gate every picture is segmented."""

    gate: keras.Model | None
    segmenter: keras.Model

    def named(self) -> dict[ModelName, keras.Model]:
        """The models that are there, by name."""
        named = {ModelName.GATE: self.gate, ModelName.SEGMENTER: self.segmenter}
        return {name: model for name, model in named.items() if model is not None}


class KerasRuntime:
    """A Keras model as it was trained, behind the interface of the compiled forms."""

    name = RuntimeChoice.TENSORFLOW
    device = DeviceChoice.CPU
    _BATCH = 16

    def __init__(self, model: keras.Model, spec: InputSpec) -> None:
        """Fix the model's input to what `spec` says, the number of pictures left open."""
        shape = [None, spec.height, spec.width, spec.channels]
        self.function: Any = tf.function(
            lambda batch: model(batch, training=False),
            input_signature=[tf.TensorSpec(shape, tf.float32)],
        )

    def predict(self, batch: Float32) -> Float32:
        """Run the model; see `Runtime.predict`."""
        with _exact_float32():
            parts = [
                self.function(tf.constant(batch[start : start + self._BATCH])).numpy()
                for start in range(0, len(batch), self._BATCH)
            ]
        return np.concatenate(parts)


class Staged:
    """A bundle's models in a folder that is no bundle yet.

    Attributes:
        folder: where they lie; it takes the bundle's name later.
        draft: the manifest that the models were written for.
    """

    def __init__(self, folder: Path, models: Models, draft: Manifest) -> None:
        """Write both models into `folder`, as Keras and as OpenVINO has them (f32)."""
        self.folder = folder
        self.draft = draft
        self._keras: dict[ModelName, KerasRuntime] = {}
        for name, model in models.named().items():
            self._keras[name] = KerasRuntime(model, input_spec(draft, name))
            # The same layers in a new model that was never compiled: no optimizer state is saved.
            plain = keras.Model(model.input, model.output, name=model.name)
            plain.save(self._path(name, ModelForm.KERAS))
            converted = convert(resized_at_once(plain), input_spec(draft, name), folder)
            path = self._path(name, ModelForm.OPENVINO)
            ov.save_model(converted, path, compress_to_fp16=False)

    @property
    def precisions(self) -> tuple[CpuPrecision, ...]:
        """What the compiled forms that are there can be run at, on this CPU."""
        there = {
            CpuPrecision.F32: True,
            CpuPrecision.BF16: CpuPrecision.BF16 in cpu_precisions(),
            CpuPrecision.INT8: (self.folder / ModelForm.OPENVINO_INT8.value).is_dir(),
        }
        return tuple(precision for precision, is_there in there.items() if is_there)

    def keras_detector(self, manifest: Manifest) -> Detector:
        """Join the Keras models with a manifest, which may say more than the draft."""
        return _join(manifest, self.keras_runtimes())

    def detector(self, manifest: Manifest, precision: CpuPrecision) -> Detector:
        """Join one compiled form, on all cores, with a manifest, which may say more than the draft.

        Args:
            manifest: its thresholds are used.
            precision: one of `precisions`.
        """
        return _join(manifest, self.compiled_runtimes(precision))

    def keras_runtimes(self) -> Mapping[ModelName, Runtime]:
        """Give the Keras models."""
        return self._keras

    def compiled_runtimes(self, precision: CpuPrecision) -> Mapping[ModelName, Runtime]:
        """Compile the models for this CPU, on all its cores."""
        chosen = Precision(precision.value)
        options = RuntimeOptions(
            runtime=RuntimeChoice.OPENVINO, device=DeviceChoice.CPU, precision=chosen, threads=0
        )
        form = form_of(options.runtime, chosen)
        return {name: OpenVinoRuntime(self._path(name, form), options) for name in self._keras}

    def quantise(self, pictures: Sequence[Gray]) -> None:
        """Write the int8 forms of both models.

        Args:
            pictures: at least one, uint8 (H, W), on which ranges are measured.

        Raises:
            BundleError: a model cannot be quantised; then there is no int8 form of either.
        """
        for name in self._keras:
            source = self._path(name, ModelForm.OPENVINO)
            target = self._path(name, ModelForm.OPENVINO_INT8)
            try:
                quantise(source, target, pictures, input_spec(self.draft, name))
            except Exception as error:  # of nncf and OpenVINO, which promise no types
                self.discard_int8()
                problem = " ".join(f"{type(error).__name__}: {error}".split())
                raise BundleError(f"the {name.value} cannot be quantised: {problem}") from error

    def discard_int8(self) -> None:
        """Take the int8 forms away again."""
        shutil.rmtree(self.folder / ModelForm.OPENVINO_INT8.value, ignore_errors=True)

    def _path(self, name: ModelName, form: ModelForm) -> Path:
        path = Bundle(self.draft, "", self.folder).model_path(name, form)
        path.parent.mkdir(exist_ok=True)
        return path


@contextmanager
def _exact_float32() -> Iterator[None]:
    """Keep GPUs from rounding float32 to TensorFloat-32, which no CPU form would agree with."""
    settings = tf.config.experimental
    rounding = settings.tensor_float_32_execution_enabled()
    settings.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        settings.enable_tensor_float_32_execution(rounding)


def _join(manifest: Manifest, runtimes: Mapping[ModelName, Runtime]) -> Detector:
    return Detector(manifest, runtimes.get(ModelName.GATE), runtimes[ModelName.SEGMENTER])
