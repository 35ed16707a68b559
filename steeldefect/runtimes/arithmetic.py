"""Set the arithmetic of a GPU, so that it is what the rows say.

By default, all three back ends multiply float32 values of convolutions in TensorFloat-32 where a
GPU has it: float32's range with 10 bits of fraction instead of 23. Here f32 switches that off, and
tf32 switches it on. bf16 runs the layers in bfloat16, with weights and the last layer in float32.
"""

from __future__ import annotations

from typing import Any

import keras

from steeldefect.errors import DeviceError
from steeldefect.runtimes.choices import Precision

_EXACT_LAYERS = (keras.layers.Rescaling, keras.layers.Normalization)
"""Layers that read gray values: bfloat16 keeps 8 bits, and would merge neighbouring ones."""

_SET: list[bool] = []
"""Whether this process multiplies in TensorFloat-32; empty before the first model."""


def set_arithmetic(precision: Precision) -> None:
    """Switch TensorFloat-32 on for tf32, else off, in the library that Keras runs on.

    The switch is one for all models of a process, so the first model decides.

    Args:
        precision: of a GPU, not `auto`.

    Raises:
        DeviceError: this process already runs models with the switch in the other position.
    """
    wanted = precision is Precision.TF32
    if _SET and _SET[0] is not wanted:
        raise DeviceError(
            f"precision={precision.value}, but this process already runs models "
            f"{'with' if _SET[0] else 'without'} TensorFloat-32; restart the worker processes"
        )
    {"tensorflow": _in_tensorflow, "jax": _in_jax, "torch": _in_torch}[keras.backend.backend()](
        wanted
    )
    _SET[:] = [wanted]


def _in_tensorflow(wanted: bool) -> None:
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(wanted)


def _in_jax(wanted: bool) -> None:
    import jax

    jax.config.update("jax_default_matmul_precision", "tensorfloat32" if wanted else "highest")


def _in_torch(wanted: bool) -> None:
    import torch

    torch.backends.cuda.matmul.allow_tf32 = wanted
    torch.backends.cudnn.allow_tf32 = wanted


def compute_in_bfloat16(model: Any) -> None:
    """Let a loaded Keras model compute in bfloat16; its weights stay float32.

    As Keras' policy `mixed_bfloat16`. The layers whose outputs are the model's stay float32, so
    that the last sigmoid has all its steps: near 1 those of bfloat16 are 0.004 wide. Layers that
    scale gray values stay float32, too.
    """
    last = {id(output._keras_history.operation) for output in keras.tree.flatten(model.outputs)}
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if id(layer) not in last and not isinstance(layer, (*_EXACT_LAYERS, keras.Model)):
            layer.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
