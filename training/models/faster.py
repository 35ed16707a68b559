"""Convolutions that train faster, with the same weights.

- *Frozen batch normalisations* become a part of the convolution before them. One that keeps its
  statistics, scales and offsets multiplies each channel by one constant, and adds another. Scaled
  kernels and a bias give the same values, and a few kernels are scaled instead of large tensors.
- *Large convolutions* may be computed in bfloat16, if the recipe allows it: the products, while
  sums stay float32. CPUs with AMX are faster with them (benchmarks/input_pipeline.py). Small
  convolutions would lose more time by conversions than they gain.

Only a fit uses these layers. The fitted model has the layers it was built from.
"""

from __future__ import annotations

from typing import Any

from steeldefect.runtimes.choose_precision import cpu_flags
from training.backend import keras, tf
from training.models.weights import nested_layers
from training.recipe import Arithmetic

layers = keras.layers

_LARGE = 256
"""Products for each value of a large convolution; measured on a CPU with AMX."""


def faster(model: keras.Model, arithmetic: Arithmetic) -> keras.Model:
    """Return a model of the same function and weights that trains faster.

    Args:
        model: float32 model, or one of another dtype policy, which is not changed.
        arithmetic: of the recipe; `auto` allows bfloat16 if this CPU has AMX, and there is no GPU.

    Returns:
        A model with the layers of `model`: whoever fits one of them fits both. The order of its
        weights may be another. If nothing would be faster, it is `model` itself.
    """
    half = arithmetic is Arithmetic.AUTO and bfloat16_is_faster()
    within = list(nested_layers(model))
    if not any(_is_frozen(one) or (half and _is_large(one)) for one in within):
        return model
    # of each convolution by the id of its outputs: layer, inputs, and outputs, which keep the id
    made: dict[int, tuple[Any, Any, Any]] = {}

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        if _is_frozen(layer) and id(inputs[0]) in made:
            convolution, pictures, _ = made[id(inputs[0])]
            return _Faster(convolution, layer, half)(pictures)
        if half and _is_large(layer):
            outputs = _Faster(layer, None, half)(inputs[0])
        else:
            outputs = layer(*inputs, **options)
        if _is_plain(layer):
            made[id(outputs)] = (layer, inputs[0], outputs)
        return outputs

    return keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=call, recursive=True
    )


def bfloat16_is_faster() -> bool:
    """Return whether this host trains on a CPU with AMX."""
    return "amx_bf16" in cpu_flags() and not tf.config.list_physical_devices("GPU")


def _is_frozen(layer: Any) -> bool:
    return isinstance(layer, layers.BatchNormalization) and not layer.trainable


def _is_plain(layer: Any) -> bool:
    """Return whether a layer is a float32 convolution, and nothing else."""
    return (
        type(layer) in (layers.Conv2D, layers.DepthwiseConv2D)
        and layer.activation is keras.activations.linear
        and layer.compute_dtype == "float32"
    )


def _is_large(layer: Any) -> bool:
    if not _is_plain(layer) or type(layer) is not layers.Conv2D:
        return False
    height, width, channels, _ = layer.kernel.shape
    return bool(height * width * channels >= _LARGE)


class _Faster(keras.layers.Layer):  # type: ignore[misc]
    """A convolution, with the frozen batch normalisation that follows it if there is one."""

    def __init__(self, convolution: Any, norm: Any, half: bool) -> None:
        super().__init__(name=f"faster_{convolution.name}")
        self._convolution = convolution
        self._norm = norm
        self._dtype_of_products = tf.bfloat16 if half and _is_large(convolution) else tf.float32
        self.built = True

    def call(self, pictures: Any) -> Any:
        """Return the outputs float32 (n, h, w, c)."""
        convolution = self._convolution
        kernel, bias = convolution.kernel, convolution.bias if convolution.use_bias else None
        depthwise = isinstance(convolution, layers.DepthwiseConv2D)
        if self._norm is not None:
            scale, offset = _constants(self._norm)
            kernel = kernel * (scale[:, None] if depthwise else scale)
            bias = offset if bias is None else offset + bias * scale
        convolve = keras.ops.depthwise_conv if depthwise else keras.ops.conv
        outputs = convolve(
            tf.cast(pictures, self._dtype_of_products),
            tf.cast(kernel, self._dtype_of_products),
            strides=convolution.strides,
            padding=convolution.padding,
            dilation_rate=convolution.dilation_rate,
        )
        outputs = tf.cast(outputs, tf.float32)
        # TensorFlow computes a convolution, a bias and an activation after it in one step
        return outputs if bias is None else tf.nn.bias_add(outputs, bias)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the outputs."""
        return self._convolution.compute_output_shape(input_shape)


def _constants(norm: Any) -> tuple[Any, Any]:
    """Return what a frozen batch normalisation multiplies by and adds: float32 (c,) each."""
    scale = tf.math.rsqrt(norm.moving_variance + norm.epsilon)
    scale = scale * norm.gamma if norm.scale else scale
    offset = -norm.moving_mean * scale
    return scale, offset + norm.beta if norm.center else offset
