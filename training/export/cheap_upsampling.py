"""Replace upsampling in a converted model by operations that cost less, with the same results.

A decoder doubles a map, joins it with the encoder's features, and convolves both. Three of four
doubled values are copies, so most of the convolution computes with copies. It is linear:

    convolve(join(double(x), skip)) = convolve(double(x)) + convolve(skip)

and `convolve(double(x))` is a transposed convolution of x with stride 2. Its kernel is larger by 1,
but each result needs only (k + 1)^2 / 4 products for each channel, not k^2. Neither the doubled nor
the joined map is ever written. Zeros around the doubled map are zeros around x, so borders agree.

A map that is doubled linearly is a transposed convolution as well, of each channel alone. Around
it, values are repeated, as the resize does.

Only the compiled forms change. `benchmarks/shared_encoder.py` measures how much time this saves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

from training.export.axes import TO_PIXELS, in_planes, put_in_place_of

Kernel = npt.NDArray[np.float32]

ENLARGED = "enlarged"
"""Prefix of the names of operations that replace a linear resize."""

_WEIGHTS = np.array([0.25, 0.75, 0.75, 0.25])  # of a resize to twice the size, along one axis


def double_cheaply(model: ov.Model) -> ov.Model:
    """Replace the linear resizes of a model in place, where they double a map.

    Args:
        model: model as `training.export.conversion.convert` returns it.

    Returns:
        The same model.
    """
    for node in model.get_ordered_ops():
        if _doubles(node, "linear"):
            _replace_linear(node)
    model.validate_nodes_and_infer_types()
    return model


def convolve_before_doubling(model: ov.Model) -> ov.Model:
    """Replace in place the convolutions of maps that were doubled and joined.

    Not for a model that will be quantised: there, it would take more time, because sums of two
    convolutions are quantised once more.

    Args:
        model: model as `training.export.conversion.convert` returns it.

    Returns:
        The same model.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Concat":
            _replace_join(node)
    model.validate_nodes_and_infer_types()
    return model


def transposed_kernel(kernel: Kernel) -> Kernel:
    """Return the kernel of the transposed convolution that equals doubling and convolving.

    Value (2i + a) of a doubled row is value i, for a = 0 and 1. The convolution with padding
    p = (k - 1) / 2 adds w[d] * doubled[u + d - p] to output u. So x[i] reaches output 2i - p + t
    with the weight sum of w[d] over d + t = k - 1 + a.

    Args:
        kernel: float32 (out, in, k, k), k odd, of a convolution with stride 1.

    Returns:
        float32 (in, out, k + 1, k + 1), for stride 2 and padding (k - 1) / 2.
    """
    size = kernel.shape[2]
    flipped = kernel[:, :, ::-1, ::-1].astype(np.float64)
    wide = np.zeros((*kernel.shape[:2], size + 1, size + 1))
    for down in (0, 1):
        for right in (0, 1):
            wide[:, :, down : down + size, right : right + size] += flipped
    return np.ascontiguousarray(wide.transpose(1, 0, 2, 3), dtype=np.float32)


def _replace_join(join: Any) -> None:
    """Replace the convolutions of a doubled map that is joined with another map."""
    sources = [one.get_source_output() for one in join.inputs()]
    users = [one.get_node() for one in join.output(0).get_target_inputs()]
    resize = _behind_transpose(sources[0])
    fits = len(sources) == 2 and join.get_attributes()["axis"] == 1
    if not fits or not _doubles(resize, "nearest") or not all(map(_convolves_alike, users)):
        return
    low, skip = in_planes(resize.input_value(0)), sources[1]
    channels = low.get_partial_shape()[1].get_length()
    for user in users:
        kernel = user.input_value(1).get_node().data
        pad = [(kernel.shape[2] - 1) // 2] * 2
        doubled = ops.convolution_backprop_data(
            low,
            ops.constant(transposed_kernel(kernel[:, :channels])),
            [2, 2],
            pads_begin=pad,
            pads_end=pad,
            dilations=[1, 1],
        )
        rest = ops.constant(np.ascontiguousarray(kernel[:, channels:]))
        beside = ops.convolution(skip, rest, [1, 1], pad, pad, [1, 1])
        put_in_place_of(user, ops.add(beside, doubled))


def _replace_linear(resize: Any) -> None:
    low = in_planes(resize.input_value(0))
    channels = low.get_partial_shape()[1].get_length()
    around = ops.pad(low, ops.constant([0, 0, 1, 1]), ops.constant([0, 0, 1, 1]), "edge")
    kernel = np.broadcast_to(np.outer(_WEIGHTS, _WEIGHTS), (channels, 1, 1, 4, 4))
    high = ops.group_convolution_backprop_data(
        around,
        ops.constant(np.ascontiguousarray(kernel, dtype=np.float32)),
        [2, 2],
        pads_begin=[3, 3],
        pads_end=[3, 3],
        dilations=[1, 1],
    )
    high.set_friendly_name(f"{ENLARGED}/{resize.get_friendly_name()}")
    put_in_place_of(resize, ops.transpose(high, ops.constant(TO_PIXELS)))


def _doubles(node: Any, mode: str) -> bool:
    """Return whether a node resizes (n, h, w, c) to twice its height and width, both fixed."""
    if node.get_type_name() != "Interpolate":
        return False
    settings = node.get_attributes()
    small, large = (list(one.get_partial_shape())[1:3] for one in (node.input(0), node.output(0)))
    known = all(size.is_static for size in (*small, *large))
    twice = known and [2 * one.get_length() for one in small] == [one.get_length() for one in large]
    centred = settings["coordinate_transformation_mode"] == "half_pixel"
    return bool(twice and settings["mode"].startswith(mode) and (centred or mode == "nearest"))


def _convolves_alike(node: Any) -> bool:
    """Return whether a node is a convolution with stride 1 that keeps the size of its map."""
    if node.get_type_name() != "Convolution":
        return False
    kernel = node.input_value(1).get_node()
    if kernel.get_type_name() != "Constant":
        return False
    height, width = kernel.data.shape[2:]
    kept = (
        list(node.input(0).get_partial_shape())[2:] == list(node.output(0).get_partial_shape())[2:]
    )
    plain = all(list(node.get_attributes()[name]) == [1, 1] for name in ("strides", "dilations"))
    return bool(kept and plain and height == width and height % 2 == 1)


def _behind_transpose(output: Any) -> Any:
    """Return the node of an output; if it is a transpose, the node before it."""
    node = output.get_node()
    return node.input_value(0).get_node() if node.get_type_name() == "Transpose" else node
