"""Which errors mean that a device's memory is too small: the rest must pass through."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import tensorflow as tf

from steeldefect.runtimes.out_of_memory import TENSORFLOW_TEXTS, is_out_of_memory

errors = tf.errors


def test_tensorflows_own_allocator_is_understood() -> None:
    with pytest.raises(errors.OpError) as caught:
        tf.zeros([2**30, 2**30]) + 1.0
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (errors.ResourceExhaustedError, "OOM when allocating tensor with shape[64,256,256,64]"),
        (errors.InternalError, "Failed copying input tensor: Dst tensor is not initialized."),
        (errors.InternalError, "CUDNN failed to allocate the scratch space for the runner"),
        (errors.InternalError, "cudnnCreate failed: CUDNN_STATUS_ALLOC_FAILED"),
        (errors.InternalError, "failed to alloc 4096: CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        (errors.InternalError, "CUBLAS_STATUS_ALLOC_FAILED"),
        (errors.InternalError, "Failed to allocate request for 2.0GiB (2147483648B) on device"),
        (errors.UnknownError, "Out of memory allocating 2147483648 bytes."),
        (errors.NotFoundError, "No algorithm worked!  Error messages:"),
        (errors.FailedPreconditionError, "Failed to allocate scratch buffer for device 0"),
    ],
)
def test_memory_that_ran_out_is_recognised(kind: type[errors.OpError], text: str) -> None:
    assert is_out_of_memory(kind(None, None, text))


@pytest.mark.parametrize(
    "error",
    [
        errors.InternalError(None, None, "CUDNN_STATUS_EXECUTION_FAILED"),
        errors.InternalError(None, None, "CUDA_ERROR_ILLEGAL_ADDRESS"),
        errors.UnknownError(None, None, "DNN library is not found."),
        errors.NotFoundError(None, None, "No such file or directory"),
        errors.InvalidArgumentError(None, None, "Incompatible shapes: [4,3] vs. [5,3]"),
        MemoryError("out of memory"),  # the host's: fewer pictures on the device do not help
        RuntimeError("out of memory"),  # of no library
        ValueError("OOM when allocating tensor"),
    ],
)
def test_other_errors_pass_through(error: Exception) -> None:
    assert not is_out_of_memory(error)


@pytest.fixture(scope="module")
def libraries() -> Iterator[list[mmap.mmap]]:
    """TensorFlow's installed libraries, as bytes."""
    with ExitStack() as stack:
        found = []
        for path in Path(tf.__file__).parent.glob("libtensorflow_*.so.2"):
            file = stack.enter_context(path.open("rb"))
            found.append(stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
        assert len(found) == 2
        yield found


@pytest.mark.parametrize("text", TENSORFLOW_TEXTS)
def test_the_texts_are_those_of_the_installed_tensorflow(
    libraries: list[mmap.mmap], text: str
) -> None:
    assert any(one.find(text.encode()) >= 0 for one in libraries)
