"""Compile functions of tensors for the back end that Keras runs on, and move arrays.

TensorFlow on a GPU compiles with XLA: it joins the scaling, the thresholds and the packing with
their neighbours, so that the steps between write no memory. TensorFlow on a CPU does not: XLA would
replace oneDNN's convolutions by slower ones. JAX always compiles with XLA. PyTorch runs as it is:
`torch.compile` needs a C++ compiler on every executor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from steeldefect.runtimes.choices import DeviceChoice

Array = npt.NDArray[Any]
Tensors = Any
"""A tensor of the back end, or a tuple of them."""


@dataclass(frozen=True)
class Placement:
    """The device that a program runs on.

    Attributes:
        device: name as Keras writes it: `cpu` or `gpu:0`. Not `cpu:0`: Keras 3.15 on PyTorch then
            fails to load models with counters, such as those of dropout.
        xla: whether TensorFlow compiles with XLA; the other back ends do not ask.
    """

    device: str
    xla: bool

    @classmethod
    def of(cls, device: DeviceChoice) -> Placement:
        """Return the placement on the first CPU or GPU that this process sees."""
        on_gpu = device is DeviceChoice.GPU
        return cls("gpu:0" if on_gpu else "cpu", on_gpu)

    def scope(self) -> AbstractContextManager[Any]:
        """Return the scope in which tensors are made on this device."""
        scope: AbstractContextManager[Any] = keras.device(self.device)
        return scope

    def to_device(self, array: Array) -> Tensors:
        """Copy an array to the device; returns before a GPU has it."""
        with self.scope():
            return keras.ops.convert_to_tensor(array)


def to_host(tensor: Tensors) -> Array:
    """Copy a tensor to the host; waits until the device has computed it."""
    array: Array = np.asarray(keras.ops.convert_to_numpy(tensor))
    return array


def compiled(
    function: Callable[..., Tensors], variables: Sequence[Any], placement: Placement
) -> Callable[..., Tensors]:
    """Compile a function of tensors.

    Args:
        function: takes tensors of fixed shapes; a call with other shapes compiles it again.
        variables: the Keras variables that it reads; JAX gets their values as arguments, because
            it would otherwise write them into the program.
        placement: where the function runs.

    Returns:
        The compiled function. On a GPU it returns before the device has computed the result.
    """
    make = {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}
    inner = make[keras.backend.backend()](function, variables, placement)

    def placed(*tensors: Tensors) -> Tensors:
        with placement.scope():
            return inner(*tensors)

    return placed


def _by_tensorflow(
    function: Callable[..., Tensors], _: Sequence[Any], placement: Placement
) -> Callable[..., Tensors]:
    import tensorflow as tf

    graph: Callable[..., Tensors] = tf.function(
        function, jit_compile=placement.xla or None, autograph=False
    )
    return graph


def _by_jax(
    function: Callable[..., Tensors], variables: Sequence[Any], _: Placement
) -> Callable[..., Tensors]:
    import jax

    def stateless(values: list[Any], *tensors: Tensors) -> Tensors:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*tensors)

    values = [variable.value for variable in variables]
    program = jax.jit(stateless)
    return lambda *tensors: program(values, *tensors)


def _by_torch(
    function: Callable[..., Tensors], _: Sequence[Any], __: Placement
) -> Callable[..., Tensors]:
    import torch

    without_gradients: Callable[..., Tensors] = torch.inference_mode()(function)
    return without_gradients
