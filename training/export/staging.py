"""Staged models: the models of a bundle, written and opened in every form, not yet sealed.

They are written to a temporary folder beside the bundle's folder. `export.seal` renames it at the
end, so that a bundle is either complete or absent. An existing bundle is never changed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from steeldefect.bundle.files import Bundle, ModelForm, ModelName, input_spec
from steeldefect.bundle.manifest import CpuPrecision, Manifest
from steeldefect.detection.detector import Detector
from steeldefect.errors import AlreadyExistsError, BundleError, StoreError
from steeldefect.pictures.preprocessing import Float32, Gray, InputSpec, prepare
from steeldefect.runtimes.base import Runtime
from steeldefect.runtimes.choices import DeviceChoice, Precision, RuntimeChoice
from steeldefect.runtimes.choose_precision import cpu_precisions
from steeldefect.runtimes.engine import Engine, RuntimeOptions, choose_engine, form_of
from steeldefect.runtimes.keras_files import gate_alone, whole_segmenter
from steeldefect.runtimes.openvino import OpenVinoRuntime
from steeldefect.runtimes.shared import SharedGate, SharedSegmenter
from training.backend import keras, tf
from training.export.cheap_upsampling import convolve_before_doubling, double_cheaply
from training.export.conversion import convert, inputs_of
from training.export.quantise import quantise
from training.export.upsampling import resized_at_once


@dataclass(frozen=True)
class Models:
    """The Keras models of a bundle; without a gate, every picture is segmented."""

    gate: keras.Model | None
    segmenter: keras.Model

    def named(self) -> dict[ModelName, keras.Model]:
        """Return the models by name; without a gate, the segmenter alone."""
        named = {ModelName.GATE: self.gate, ModelName.SEGMENTER: self.segmenter}
        return {name: model for name, model in named.items() if model is not None}


class KerasRuntime(Runtime):
    """A Keras model with the interface of a runtime."""

    engine = Engine(RuntimeChoice.TENSORFLOW, DeviceChoice.CPU, Precision.F32, batch_size=16)

    def __init__(self, model: keras.Model, spec: InputSpec) -> None:
        """Trace the model for the input `spec` and any number of pictures."""
        self.function: Any = tf.function(
            lambda batch: model(batch, training=False), input_signature=inputs_of(model, spec)
        )

    def predict(self, batch: Float32) -> Float32:
        """Run the model; see `Runtime.predict`."""
        with _exact_float32():
            parts = [
                self.function(tf.constant(batch[start : start + self.engine.batch_size])).numpy()
                for start in range(0, len(batch), self.engine.batch_size)
            ]
        return np.concatenate(parts)


class Staged:
    """The models of a bundle that is not yet sealed.

    Attributes:
        folder: temporary folder of the models; sealing renames it.
        draft: draft manifest of the models.
    """

    def __init__(self, folder: Path, models: Models, draft: Manifest) -> None:
        """Write the models into `folder`, in Keras' form and in OpenVINO's f32 form."""
        self.folder = folder
        self.draft = draft
        self._keras: dict[ModelName, Runtime] = {}
        self._converted: dict[ModelName, ov.Model] = {}
        for name, model in models.named().items():
            whole = _of_pictures(models, name) if draft.shares_network else model
            self._keras[name] = KerasRuntime(whole, input_spec(draft, name))
            # The same layers in a new model that was never compiled: no optimizer state is saved.
            plain = keras.Model(model.input, model.output, name=model.name)
            plain.save(self._path(name, ModelForm.KERAS))
            converted = convert(resized_at_once(plain), input_spec(draft, name), folder)
            self._converted[name] = double_cheaply(converted)
            path = self._path(name, ModelForm.OPENVINO)
            faster = convolve_before_doubling(self._converted[name].clone())
            ov.save_model(faster, path, compress_to_fp16=False)

    @property
    def precisions(self) -> tuple[CpuPrecision, ...]:
        """Precisions at which this CPU can run the compiled forms that exist."""
        there = {
            CpuPrecision.F32: True,
            CpuPrecision.BF16: CpuPrecision.BF16 in cpu_precisions(),
            CpuPrecision.INT8: (self.folder / ModelForm.OPENVINO_INT8.value).is_dir(),
        }
        return tuple(precision for precision, is_there in there.items() if is_there)

    def keras_detector(self, manifest: Manifest) -> Detector:
        """Create a detector with the Keras models.

        Args:
            manifest: manifest whose thresholds are used; it may hold more than the draft.
        """
        return _join(manifest, self.keras_runtimes())

    def detector(
        self, manifest: Manifest, precision: CpuPrecision, gate: CpuPrecision | None = None
    ) -> Detector:
        """Create a detector with compiled models, on all cores.

        Args:
            manifest: manifest whose thresholds are used; it may hold more than the draft.
            precision: one of `precisions`.
            gate: precision of the gate, one of `precisions`; None for the same as the segmenter's.
        """
        return _join(manifest, self._mixed(gate or precision, precision, threads=0))

    def keras_runtimes(self) -> Mapping[ModelName, Runtime]:
        """Return the runtimes of the Keras models, by name; each of them takes pictures."""
        return self._keras

    def compiled_runtimes(
        self, precision: CpuPrecision, threads: int = 0
    ) -> Mapping[ModelName, Runtime]:
        """Compile the models for this CPU; each of them takes pictures.

        Args:
            precision: one of `precisions`.
            threads: CPU threads of one model; 0 for all cores.
        """
        return self._mixed(precision, precision, threads)

    def _mixed(
        self, gate: CpuPrecision, segmenter: CpuPrecision, threads: int
    ) -> dict[ModelName, Runtime]:
        """Compile both models, each at its own precision."""
        if ModelName.GATE not in self._keras:
            return {ModelName.SEGMENTER: self._compiled(ModelName.SEGMENTER, segmenter, threads)}
        first = self._compiled(ModelName.GATE, gate, threads)
        if not self.draft.shares_network:
            rest = self._compiled(ModelName.SEGMENTER, segmenter, threads)
            return {ModelName.GATE: first, ModelName.SEGMENTER: rest}
        rest = self._compiled(ModelName.SEGMENTER, segmenter, threads, first)
        shared = SharedGate(first)
        return {ModelName.GATE: shared, ModelName.SEGMENTER: SharedSegmenter(shared, rest)}

    def _compiled(
        self,
        name: ModelName,
        precision: CpuPrecision,
        threads: int,
        gate: OpenVinoRuntime | None = None,
    ) -> OpenVinoRuntime:
        """Compile one model; `gate` is the model before it, if it takes the features of one."""
        engine = choose_engine(
            RuntimeOptions(
                runtime=RuntimeChoice.OPENVINO,
                device=DeviceChoice.CPU,
                precision=Precision(precision.value),
                threads=threads,
            )
        )
        form = form_of(engine.runtime, engine.precision)
        return OpenVinoRuntime(self._path(name, form), engine, gate)

    def quantise(self, pictures: Sequence[Gray]) -> None:
        """Write the int8 forms of all models.

        Args:
            pictures: one or more pictures, uint8 (H, W), on which ranges are measured.

        Raises:
            BundleError: a model cannot be quantised; then no int8 form is left.
        """
        gate = None
        if self.draft.shares_network:
            gate = self._compiled(ModelName.GATE, CpuPrecision.F32, threads=0)
        for name, model in self._converted.items():
            target = self._path(name, ModelForm.OPENVINO_INT8)
            before = gate if name is ModelName.SEGMENTER else None
            try:
                quantise(model, target, pictures, partial(self._inputs, name, before))
            except Exception as error:  # nncf and OpenVINO document no types
                self.discard_int8()
                problem = " ".join(f"{type(error).__name__}: {error}".split())
                raise BundleError(f"the {name.value} cannot be quantised: {problem}") from error

    def _inputs(
        self, name: ModelName, before: OpenVinoRuntime | None, picture: Gray
    ) -> list[Float32]:
        """Return the inputs of a model for one picture: pixels, or the features of the gate before.

        Args:
            name: the model.
            before: the shared gate whose features the model takes; None for a model of pictures.
            picture: uint8 (H, W).
        """
        batch = prepare(picture, input_spec(self.draft, name))[None]
        return [batch] if before is None else list(before.predict_all([batch])[1:])

    def discard_int8(self) -> None:
        """Delete the int8 forms."""
        shutil.rmtree(self.folder / ModelForm.OPENVINO_INT8.value, ignore_errors=True)

    def _path(self, name: ModelName, form: ModelForm) -> Path:
        path = Bundle(self.draft, "", self.folder).model_path(name, form)
        path.parent.mkdir(exist_ok=True)
        return path


@contextmanager
def staging(target: Path, models: Models, draft: Manifest) -> Iterator[Staged]:
    """Write models into a new folder beside `target`, yield them, and delete the folder at the end.

    Nothing is deleted if `export.seal.seal` has renamed the folder to `target`.

    Args:
        target: folder of the bundle; must not exist.
        models: models to write; there must be a gate if, and only if, `draft` has a gate.
        draft: draft manifest; see `draft_manifest`.

    Raises:
        AlreadyExistsError: `target` exists.
        BundleError: models and manifest do not match.
        StoreError: the folder cannot be created.
    """
    refuse_existing(target)
    _check_shapes(models, draft)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        folder.chmod(0o755)
    except OSError as error:
        raise StoreError(f"cannot write beside {target}: {error.strerror}") from None
    try:
        yield Staged(folder, models, draft)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def refuse_existing(target: Path) -> None:
    """Check, before any work, that a bundle would overwrite nothing.

    Raises:
        AlreadyExistsError: `target` exists.
    """
    if target.exists():
        raise AlreadyExistsError(f"{target} exists; bundles are immutable, choose another path")


def _check_shapes(models: Models, draft: Manifest) -> None:
    if (models.gate is None) != (draft.gate is None):
        owner = "manifest" if models.gate is None else "models"
        raise BundleError(
            f"gate only in the {owner}; pass a gate in both models and manifest, or neither"
        )
    for name, model in models.named().items():
        if name is ModelName.SEGMENTER and draft.shares_network:
            _check_features(models)
            continue
        spec = input_spec(draft, name)
        expected = (None, spec.height, spec.width, spec.channels)
        if any(
            size not in (None, wanted)
            for size, wanted in zip(model.input_shape, expected, strict=True)
        ):
            raise BundleError(
                f"{name.value}: the manifest says input {expected}, the model takes "
                f"{model.input_shape}"
            )
    maps = models.segmenter.output_shape[-1]
    classes = len(draft.outlined_classes)
    if maps != classes:
        raise BundleError(f"segmenter: {classes} classes, but {maps} maps")


def _check_features(models: Models) -> None:
    """Check that the segmenter takes the features that a shared gate gives."""
    given = [] if models.gate is None else [one.shape for one in models.gate.outputs[1:]]
    taken = [one.shape for one in models.segmenter.inputs]
    if given != taken:
        raise BundleError(f"segmenter: it takes {taken}, the shared gate gives {given}")


def _of_pictures(models: Models, name: ModelName) -> keras.Model:
    """Return one of two models that share a network, as a model of pictures."""
    if name is ModelName.GATE:
        return gate_alone(models.gate)
    return whole_segmenter(models.gate, models.segmenter)


@contextmanager
def _exact_float32() -> Iterator[None]:
    """Turn off TensorFloat-32 on GPUs: rounded values would not agree with the CPU forms."""
    settings = tf.config.experimental
    rounding = settings.tensor_float_32_execution_enabled()
    settings.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        settings.enable_tensor_float_32_execution(rounding)


def _join(manifest: Manifest, runtimes: Mapping[ModelName, Runtime]) -> Detector:
    return Detector(manifest, runtimes.get(ModelName.GATE), runtimes[ModelName.SEGMENTER])
