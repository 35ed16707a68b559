"""Writes a bundle: both models in both forms, checked against each other, scored and sealed.

Everything is written into a folder beside the target, which takes the target's name at the very
end: a bundle is there whole or not at all, and one that is there is never touched.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import numpy as np
import openvino as ov

import steeldefect
from steeldefect.bundle import (
    Bundle,
    ModelForm,
    ModelName,
    describe_files,
    open_bundle,
    seal_bundle,
)
from steeldefect.detector import Detector
from steeldefect.errors import AlreadyExistsError, BundleError, StoreError
from steeldefect.manifest import (
    FORMAT_VERSION,
    DefectClass,
    Gate,
    Manifest,
    PictureSizes,
    Score,
    Segmenter,
    TrainingRecord,
)
from steeldefect.metrics import CONVENTION
from steeldefect.preprocessing import Float32, Gray, InputSpec, prepare
from steeldefect.runtimes.base import RuntimeChoice, RuntimeOptions
from steeldefect.runtimes.openvino import OpenVinoRuntime
from training.backend import keras, tf

Measure = Callable[[Detector], list[Score]]

TOLERANCE = 1e-4
"""How far the answers of the two forms, probabilities, may differ."""

_NO_ATTACHMENTS: Mapping[str, str] = MappingProxyType({})
_OPTIONS = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, threads=0)  # 0: all cores


@dataclass(frozen=True)
class Models:
    """The two Keras models of a bundle; without a gate every picture is segmented."""

    gate: keras.Model | None
    segmenter: keras.Model

    def named(self) -> dict[ModelName, keras.Model]:
        """The models that are there, by name."""
        named = {ModelName.GATE: self.gate, ModelName.SEGMENTER: self.segmenter}
        return {name: model for name, model in named.items() if model is not None}


def draft_manifest(
    classes: Sequence[DefectClass],
    gate: Gate | None,
    segmenter: Segmenter,
    picture_sizes: PictureSizes,
    training: TrainingRecord,
) -> Manifest:
    """Begin a manifest: versions and time filled in, scores and files still empty."""
    return Manifest(
        format_version=FORMAT_VERSION,
        created_at=datetime.now(UTC).replace(microsecond=0),
        classes=list(classes),
        gate=gate,
        segmenter=segmenter,
        picture_sizes=picture_sizes,
        metric_convention=CONVENTION,
        held_out_scores=[],
        training=training,
        versions=_versions(),
        files={},
    )


def refuse_existing(target: Path) -> None:
    """Stop before any work where a bundle would be written over something.

    Raises:
        AlreadyExistsError: `target` exists.
    """
    if target.exists():
        raise AlreadyExistsError(f"{target} exists; bundles are immutable, choose another path")


def write_bundle(
    target: Path,
    models: Models,
    draft: Manifest,
    *,
    check_on: Sequence[Gray] = (),
    attachments: Mapping[str, str] = _NO_ATTACHMENTS,
    measure: Measure | None = None,
) -> Bundle:
    """Write a bundle from Keras models.

    Args:
        target: must not exist.
        models: a gate just where `draft` has one.
        draft: of `draft_manifest`.
        check_on: gray pictures on which Keras and OpenVINO have to agree; noise where empty.
        attachments: further text files by name.
        measure: computes the held-out scores; it is given the exported models.

    Returns:
        The bundle, opened and checked.

    Raises:
        AlreadyExistsError: `target` exists.
        BundleError: models and manifest do not match, or the two forms do not agree.
        StoreError: the bundle cannot be written.
    """
    refuse_existing(target)
    _check_shapes(models, draft)
    pictures = check_on or [_noise(draft.picture_sizes)]
    with _staging(target) as staging:
        runtimes = {}
        for name, model in models.named().items():
            _save_keras(model, staging, name)
            runtimes[name] = _save_openvino(model, staging, name)
            _check_agreement(model, runtimes[name], _inputs(pictures, _spec(draft, name)), name)
        for file_name, text in attachments.items():
            (staging / file_name).write_text(text, encoding="utf-8")
        gate, segmenter = runtimes.get(ModelName.GATE), runtimes[ModelName.SEGMENTER]
        scores = [] if measure is None else measure(Detector(draft, gate, segmenter))
        sealed = {"held_out_scores": scores, "files": describe_files(staging)}
        seal_bundle(staging, draft.model_copy(update=sealed))
        refuse_existing(target)
        staging.rename(target)
    return open_bundle(target)


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """Give a new folder beside the target; gone afterwards, unless it was renamed."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        staging.chmod(0o755)
    except OSError as error:
        raise StoreError(f"cannot write beside {target}: {error.strerror}") from None
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _save_keras(model: keras.Model, folder: Path, name: ModelName) -> None:
    path = folder / ModelForm.KERAS.value / f"{name.value}.keras"
    path.parent.mkdir(exist_ok=True)
    # The same layers in a new model that was never compiled: no optimizer state is saved.
    keras.Model(model.input, model.output, name=model.name).save(path)


def _save_openvino(model: keras.Model, folder: Path, name: ModelName) -> OpenVinoRuntime:
    path = folder / ModelForm.OPENVINO.value / f"{name.value}.xml"
    path.parent.mkdir(exist_ok=True)
    signature = [tf.TensorSpec(model.input_shape, tf.float32)]
    answer = tf.function(lambda batch: model(batch, training=False), input_signature=signature)
    converted = ov.convert_model(answer.get_concrete_function())
    ov.save_model(converted, path, compress_to_fp16=False)
    return OpenVinoRuntime(path, _OPTIONS)


def _check_shapes(models: Models, draft: Manifest) -> None:
    if (models.gate is None) != (draft.gate is None):
        raise BundleError("the manifest has a gate just where there is a model for it")
    for name, model in models.named().items():
        spec = _spec(draft, name)
        expected = (None, spec.height, spec.width, spec.channels)
        if model.input_shape != expected:
            raise BundleError(
                f"{name.value}: the manifest says input {expected}, the model takes "
                f"{model.input_shape}"
            )
    maps = models.segmenter.output_shape[-1]
    if maps != len(draft.classes):
        raise BundleError(f"segmenter: {len(draft.classes)} classes, but {maps} maps")


def _check_agreement(
    model: keras.Model, runtime: OpenVinoRuntime, inputs: Float32, name: ModelName
) -> None:
    expected = model(tf.constant(inputs), training=False).numpy()
    difference = float(np.abs(runtime.predict(inputs) - expected).max())
    if not difference <= TOLERANCE:
        raise BundleError(
            f"{name.value}: the OpenVINO form differs from Keras by {difference:.2g}, at most "
            f"{TOLERANCE:.0e} is allowed; this model cannot be exported"
        )


def _spec(draft: Manifest, name: ModelName) -> InputSpec:
    if name is ModelName.GATE and draft.gate is not None:
        return draft.gate.input
    return draft.segmenter.input


def _inputs(pictures: Sequence[Gray], spec: InputSpec) -> Float32:
    return np.stack([prepare(picture, spec) for picture in pictures])


def _noise(sizes: PictureSizes) -> Gray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (sizes.height[0], sizes.width[0]), dtype=np.uint8)


def _versions() -> dict[str, str]:
    packages = {
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "openvino": version("openvino"),
        "numpy": np.__version__,
        "opencv": version("opencv-python-headless"),
    }
    return {"steeldefect": steeldefect.__version__, "python": platform.python_version(), **packages}
