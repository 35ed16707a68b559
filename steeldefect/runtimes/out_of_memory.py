"""Tell errors of too little memory on a device from all other errors.

The libraries have no common type for it. TensorFlow raises `ResourceExhaustedError` where its own
allocator fails. It raises other types where cuDNN, a copy to the device or XLA's runtime fails;
then only the text tells. A test looks TensorFlow's texts up in its installed libraries. The types
are compared by name, so that no library is imported.
"""

from __future__ import annotations

import re

TENSORFLOW_TEXTS = (
    "Dst tensor is not initialized",  # a copy to the device found no room
    "failed to allocate",  # XLA's buffers, cuDNN's scratch space, the driver's pools
    "out of memory",  # allocators, and the driver's own words
    "OOM when allocating",
    "No algorithm worked",  # cuDNN: no algorithm of a convolution got its scratch space
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""Texts in TensorFlow's libraries, in any case of letters."""

_OF_DRIVERS = ("CUDA_ERROR_OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED")
"""Names that the driver and cuBLAS give their errors; they lie in NVIDIA's libraries."""

_TEXTS = re.compile("|".join(map(re.escape, (*TENSORFLOW_TEXTS, *_OF_DRIVERS))), re.IGNORECASE)
_JAX_STATUS = "RESOURCE_EXHAUSTED"
_TORCH_TEXTS = re.compile(
    r"CUDA (error: )?out of memory|(CUDNN|CUBLAS)_STATUS_ALLOC_FAILED"
    r"|DefaultCPUAllocator: (can't allocate|not enough) memory"
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a library says that a device's memory does not hold the work.

    Fewer pictures at once may then help. For any other error the answer is False.

    Args:
        error: an error that TensorFlow, JAX or PyTorch raised.
    """
    if _is_a(error, "tensorflow", "ResourceExhaustedError") or _is_a(
        error, "torch", "OutOfMemoryError"
    ):
        return True
    if _is_a(error, "tensorflow", "OpError"):
        return _TEXTS.search(str(error)) is not None
    if _is_a(error, "jax", "JaxRuntimeError") or _is_a(error, "jax", "XlaRuntimeError"):
        return _JAX_STATUS in str(error) or _TEXTS.search(str(error)) is not None
    # PyTorch raises the plain type where cuDNN, cuBLAS or its allocator on a CPU fails
    return type(error) is RuntimeError and _TORCH_TEXTS.search(str(error)) is not None


def _is_a(error: BaseException, library: str, name: str) -> bool:
    return any(
        one.__name__ == name and one.__module__.startswith(library) for one in type(error).__mro__
    )
