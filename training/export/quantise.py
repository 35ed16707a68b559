"""A compiled model with int8 weights and activations, by nncf's post-training quantisation.

Two choices keep thin defects alive. The ranges of activations are the least and greatest values
seen, not their averages over pictures: a hairline is an outlier, which is what averages cut off.
And the first and the last weighted layer stay as they are: gray values and probabilities are where
eight bits show, and these layers cost little.
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
        source: `.xml` of the f32 form.
        target: `.xml` to write, in a folder that is there.
        pictures: gray, uint8 (H, W), on which ranges are measured; read one at a time.
        spec: of the model's input.

    Raises:
        Exception: what nncf or OpenVINO raise for a model that they cannot quantise.
    """
    import nncf

    def inputs(picture: Gray) -> Float32:
        return prepare(picture, spec)[None]

    nncf.set_log_level(logging.ERROR)
    model = ov.Core().read_model(source)
    least_and_greatest = nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX
    ranges = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=least_and_greatest
    )
    with redirect_stdout(io.StringIO()):  # its progress bars
        quantised = nncf.quantize(
            model,
            nncf.Dataset(pictures, inputs),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(pictures),
            fast_bias_correction=True,
            ignored_scope=nncf.IgnoredScope(names=_outermost(model), validate=False),
            advanced_parameters=ranges,
        )
    ov.save_model(quantised, target, compress_to_fp16=False)


def _outermost(model: Any) -> list[str]:
    """Name the first and the last layer with weights."""
    layers = [one for one in model.get_ordered_ops() if one.get_type_name() in _WEIGHTED]
    return [one.get_friendly_name() for one in layers[:1] + layers[-1:]]
