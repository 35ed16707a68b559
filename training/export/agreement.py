"""Check that the compiled models give the same probabilities as the Keras models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steeldefect.bundle.files import input_spec
from steeldefect.bundle.manifest import CpuPrecision, PictureSizes
from steeldefect.errors import BundleError
from steeldefect.pictures.preprocessing import Float32, Gray, InputSpec, prepare
from training.export.staging import Staged

TOLERANCE = 1e-4
"""Largest difference allowed between the probabilities of Keras and of OpenVINO in f32."""


def check_agreement(staged: Staged, pictures: Sequence[Gray] = ()) -> None:
    """Check that the f32 form of each model agrees with Keras, value by value.

    Args:
        staged: models in all forms.
        pictures: gray pictures, uint8 (H, W); if there are none, one picture of noise is used.

    Raises:
        BundleError: two probabilities differ by more than `TOLERANCE`.
    """
    shown = pictures or [_noise(staged.draft.picture_sizes)]
    compiled = staged.compiled_runtimes(CpuPrecision.F32)
    for name, model in staged.keras_runtimes().items():
        inputs = _inputs(shown, input_spec(staged.draft, name))
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
