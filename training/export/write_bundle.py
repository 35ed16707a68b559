"""Writes a bundle: both models in all forms, checked against each other, completed and sealed.

Everything is written into a folder beside the target, which takes the target's name at the very
end: a bundle is there whole or not at all, and one that is there is never touched.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import numpy as np

import steeldefect
from steeldefect.analysis.metrics import CONVENTION
from steeldefect.bundle.files import Bundle, describe_files, input_spec, open_bundle, seal_bundle
from steeldefect.bundle.manifest import (
    FORMAT_VERSION,
    CpuPrecision,
    DefectClass,
    Gate,
    Manifest,
    PictureSizes,
    Segmenter,
    TrainingRecord,
)
from steeldefect.detection.selftest import write_selftest
from steeldefect.errors import AlreadyExistsError, BundleError, StoreError
from steeldefect.pictures.preprocessing import Float32, Gray, InputSpec, prepare
from training.backend import keras, tf
from training.export.staging import Models, Staged

__all__ = [
    "Complete",
    "Completed",
    "Models",
    "Staged",
    "draft_manifest",
    "refuse_existing",
    "write_bundle",
]

TOLERANCE = 1e-4
"""How far the answers of the two forms, probabilities, may differ."""

_NO_ATTACHMENTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Completed:
    """What is known once the models were looked at in all their forms.

    Attributes:
        manifest: the draft with scores, thresholds and compiled forms; its `files` is ignored.
        attachments: further text files by name.
    """

    manifest: Manifest
    attachments: Mapping[str, str] = field(default_factory=dict)


Complete = Callable[[Staged], Completed]


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
    complete: Complete | None = None,
) -> Bundle:
    """Write a bundle from Keras models.

    Args:
        target: must not exist.
        models: a gate just where `draft` has one.
        draft: of `draft_manifest`.
        check_on: gray pictures on which Keras and OpenVINO have to agree; noise where empty.
        attachments: further text files by name.
        complete: is given the models once they are written and agree, and finishes the manifest;
            without it the draft is the manifest, and there is no int8 form.

    Returns:
        The bundle, opened and checked.

    Raises:
        AlreadyExistsError: `target` exists.
        BundleError: models and manifest do not match, or the forms do not agree.
        StoreError: the bundle cannot be written.
    """
    refuse_existing(target)
    _check_shapes(models, draft)
    pictures = check_on or [_noise(draft.picture_sizes)]
    with _staging(target) as folder:
        staged = Staged(folder, models, draft)
        _check_agreement(staged, pictures)
        completed = Completed(draft) if complete is None else complete(staged)
        for file_name, text in {**attachments, **completed.attachments}.items():
            (folder / file_name).write_text(text, encoding="utf-8")
        compiled = {one: staged.compiled_runtimes(one) for one in staged.precisions}
        write_selftest(folder, completed.manifest, staged.keras_runtimes(), compiled)
        files = describe_files(folder)
        seal_bundle(folder, completed.manifest.model_copy(update={"files": files}))
        checked = open_bundle(folder)
        refuse_existing(target)
        folder.rename(target)
    return replace(checked, folder=target)


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


def _check_shapes(models: Models, draft: Manifest) -> None:
    if (models.gate is None) != (draft.gate is None):
        raise BundleError("the manifest has a gate just where there is a model for it")
    for name, model in models.named().items():
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
    if maps != len(draft.classes):
        raise BundleError(f"segmenter: {len(draft.classes)} classes, but {maps} maps")


def _check_agreement(staged: Staged, pictures: Sequence[Gray]) -> None:
    compiled = staged.compiled_runtimes(CpuPrecision.F32)
    for name, model in staged.keras_runtimes().items():
        inputs = _inputs(pictures, input_spec(staged.draft, name))
        difference = float(np.abs(compiled[name].predict(inputs) - model.predict(inputs)).max())
        if not difference <= TOLERANCE:
            raise BundleError(
                f"{name.value}: the OpenVINO form differs from Keras by {difference:.2g}, at most "
                f"{TOLERANCE:.0e} is allowed; this model cannot be exported"
            )


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
        "nncf": version("nncf"),
        "numpy": np.__version__,
        "opencv": version("opencv-python-headless"),
    }
    return {"steeldefect": steeldefect.__version__, "python": platform.python_version(), **packages}
