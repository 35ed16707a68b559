"""Quantise a compiled model to int8 weights and activations, with nncf's post-training method.

Two choices preserve thin defects:

- The range of an activation is its smallest and largest value over all pictures, not an average
  over pictures. A hairline is an outlier, and averages cut outliers off.
- The layer with weights that takes gray values, and the last one before probabilities, are not
  quantised. Eight bits are too coarse for both, and these two layers cost little time. The same is
  true of the layers that compute distances from clean pictures.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import openvino as ov

from steeldefect.pictures.preprocessing import Float32, Gray
from steeldefect.runtimes.parts import takes_features
from training.export.cheap_upsampling import ENLARGED
from training.models.novelty import NOVELTY

_WEIGHTED = {"Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"}


def quantise(
    model: ov.Model,
    target: Path,
    pictures: Sequence[Gray],
    inputs: Callable[[Gray], list[Float32]],
) -> None:
    """Write the int8 form of a compiled model.

    Args:
        model: converted model, in float32.
        target: `.xml` file to write, in an existing folder.
        pictures: gray pictures, uint8 (H, W), on which ranges are measured; read one at a time.
        inputs: returns the model's inputs for a picture, each with a first axis of one.

    Raises:
        Exception: any error of nncf or OpenVINO for a model that they cannot quantise.
    """
    import nncf

    # nncf.set_log_level would also change handlers that the program put on nncf's logger
    logging.getLogger("nncf").setLevel(logging.ERROR)
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
    """Return the names of the layers of gray values and probabilities, which stay as they are.

    A model of features has no layer of gray values. The resize of probabilities, if it is a
    convolution, stays as well, and so do the layers of `training.models.novelty`.
    """
    layers = [one for one in model.get_ordered_ops() if one.get_type_name() in _WEIGHTED]
    kept = [] if takes_features(model.inputs[0].get_any_name()) else layers[:1]
    kept += [_last_weighted(model), *_enlarging(model)]
    kept += _of_novelty(model)
    return [one.get_friendly_name() for one in kept]


def _last_weighted(model: Any) -> Any:
    """Return the last layer with weights before the first output: probabilities, not features."""
    node = model.output(0).get_node()
    while node.get_type_name() not in _WEIGHTED:
        node = node.input_value(0).get_node()
    return node


def _of_novelty(model: Any) -> list[Any]:
    """Return the layers that compute oddness: the first has its name, those behind it may not."""
    found = [one for one in model.get_ordered_ops() if NOVELTY in one.get_friendly_name()]
    known = {one.get_friendly_name() for one in found}
    for node in found:  # grows while it is read
        for output in node.outputs():
            for target in output.get_target_inputs():
                follower = target.get_node()
                if follower.get_friendly_name() not in known:
                    known.add(follower.get_friendly_name())
                    found.append(follower)
    return found


def _enlarging(model: Any) -> list[Any]:
    return [one for one in model.get_ops() if one.get_friendly_name().startswith(ENLARGED)]
