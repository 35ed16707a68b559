"""The order of axes in OpenVINO's graphs: Keras' pixels (n, h, w, c), or planes (n, c, h, w)."""

from __future__ import annotations

from typing import Any

from openvino import opset13 as ops

TO_PLANES = [0, 3, 1, 2]
"""Axes of pixels, in the order of planes."""

TO_PIXELS = [0, 2, 3, 1]
"""Axes of planes, in the order of pixels."""


def in_planes(pixels: Any) -> Any:
    """Return an output (n, h, w, c) of a graph as (n, c, h, w).

    If a transpose has just made pixels of planes, the planes are returned.
    """
    node = pixels.get_node()
    if node.get_type_name() == "Transpose":
        return node.input_value(0)
    return ops.transpose(pixels, ops.constant(TO_PLANES)).output(0)


def put_in_place_of(old: Any, new: Any) -> None:
    """Let all users of a node's output use the output of another node."""
    for user in old.output(0).get_target_inputs():
        user.replace_source_output(new.output(0))
