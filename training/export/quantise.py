"""Quantise a compiled model to int8 weights and activations, with nncf's post-training method.

Two choices preserve thin defects:

- The range of an activation is its smallest and largest value over all pictures, not an average
  over pictures. A hairline is an outlier, and averages cut outliers off.
- The first and the last layer with weights are not quantised. Eight bits are too coarse for gray
  values and probabilities, and these two layers cost little time.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import openvino as ov

from steeldefect.pictures.preprocessing import Float32, Gray, InputSpec, prepare

_WEIGHTED = {"Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"}


def quantise(source: Path, target: Path, pictures: Sequence[Gray], spec: InputSpec) -> None:
    """Write the int8 form of a compiled model.

    Args:
        source: `.xml` file of the f32 form.
        target: `.xml` file to write, in an existing folder.
        pictures: gray pictures, uint8 (H, W), on which ranges are measured; read one at a time.
        spec: input of the model.

    Raises:
        Exception: any error of nncf or OpenVINO for a model that they cannot quantise.
    """
    import nncf

    def inputs(picture: Gray) -> Float32:
        return prepare(picture, spec)[None]

    # nncf.set_log_level would also change handlers that the program put on nncf's logger
    logging.getLogger("nncf").setLevel(logging.ERROR)
    model = ov.Core().read_model(source)
    ranges = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=least_and_greatest()
    )
    with redirect_stdout(io.StringIO()):  # hides nncf's progress bars
        quantised = nncf.quantize(
            model,
            nncf.Dataset(pictures, inputs),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(pictures),
            fast_bias_correction=True,
            ignored_scope=nncf.IgnoredScope(names=outermost(model), validate=False),
            advanced_parameters=ranges,
        )
    ov.save_model(quantised, target, compress_to_fp16=False)


def least_and_greatest() -> Any:
    """Return nncf's parameters for ranges from the smallest to the largest value."""
    import nncf

    return nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX


def outermost(model: Any) -> list[str]:
    """Return the names of the first and the last layer with weights."""
    layers = [one for one in model.get_ordered_ops() if one.get_type_name() in _WEIGHTED]
    return [one.get_friendly_name() for one in layers[:1] + layers[-1:]]
