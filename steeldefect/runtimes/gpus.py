"""Set which GPUs a worker process sees: those that Spark gave its task.

TensorFlow reads `CUDA_VISIBLE_DEVICES` once, so it must be set before TensorFlow is imported. A
worker process that Spark keeps for another task therefore cannot change its GPU. If each executor
has one GPU, it never needs to. JAX and PyTorch read it in the same way.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from steeldefect.errors import DeviceError

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
_OUTER = "STEELDEFECT_OUTER_GPUS"  # GPUs that were visible before this process's first task

_MODELS_RUN_IN = frozenset({"tensorflow", "jax", "torch"})
"""Libraries that read the variable when they start."""

_ADVICE = (
    "give each executor one GPU (spark.executor.resource.gpu.amount=1), or set "
    "spark.python.worker.reuse=false"
)


def expose_gpus(addresses: tuple[str, ...]) -> None:
    """Set `CUDA_VISIBLE_DEVICES` to the GPUs that Spark gave this process's task; empty for none.

    If `CUDA_VISIBLE_DEVICES` was set before the first task, the addresses are indices into that
    value. The value is remembered, because a worker process serves many tasks. This must run before
    TensorFlow is imported.

    GPUs are numbered by their PCI bus, unless `CUDA_DEVICE_ORDER` states another order. So number 1
    is the same card for CUDA as for nvidia-smi, which finds the GPUs for Spark and reads their free
    memory. CUDA's own order puts the fastest card first.

    Raises:
        DeviceError: an address is not an index into the visible GPUs, or the models of this process
            already run on another GPU.
    """
    os.environ.setdefault(ORDER, "PCI_BUS_ID")
    outer = os.environ.setdefault(_OUTER, os.environ.get(VISIBLE, ""))
    visible = outer.split(",") if outer else []
    try:
        chosen = ",".join(visible[int(one)] if visible else one for one in addresses)
    except (IndexError, ValueError):
        raise DeviceError(
            f"Spark assigned the GPUs {addresses}, but CUDA_VISIBLE_DEVICES is {outer!r}; let the "
            "discovery script report indices into it"
        ) from None
    before = os.environ.get(VISIBLE)
    if _MODELS_RUN_IN & sys.modules.keys() and before is not None and before != chosen:
        raise DeviceError(
            f"Spark gave this task GPU {chosen or 'none'}, but its worker process runs models on "
            f"GPU {before or 'none'}, which cannot change; {_ADVICE}"
        )
    os.environ[VISIBLE] = chosen


def check_gpu_conf(conf: Mapping[str, str]) -> None:
    """Check that Spark's settings never require a worker process to change its GPU.

    Args:
        conf: Spark's settings by name.

    Raises:
        DeviceError: executors have several GPUs, and Spark keeps worker processes for more tasks.
    """
    amount = conf.get("spark.executor.resource.gpu.amount", "0")
    kept = conf.get("spark.python.worker.reuse", "true").lower() == "true"
    if kept and float(amount) > 1:
        raise DeviceError(
            f"executors have {amount} GPUs each and keep their worker processes, but a worker "
            f"process cannot change its GPU; {_ADVICE}"
        )


def free_bytes() -> int | None:
    """Read the free memory of the first visible GPU from its driver, in bytes; None if unknown."""
    try:
        return int(_asked("memory.free").split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def compute_capability() -> tuple[int, int] | None:
    """Read the compute capability of the first visible GPU from its driver; None if unknown.

    It says which instructions the GPU has: (8, 0) is NVIDIA's A100.
    """
    try:
        major, minor = _asked("compute_cap").split()[0].split(".")
        return int(major), int(minor)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _asked(name: str) -> str:
    """Return nvidia-smi's answer for the first visible GPU.

    Raises:
        OSError, subprocess.SubprocessError: there is no driver, or it does not answer.
    """
    first = os.environ.get(VISIBLE, "").split(",")[0]
    query = ["nvidia-smi", f"--query-gpu={name}", "--format=csv,noheader,nounits"]
    answer = subprocess.run(
        [*query, *(["-i", first] if first else [])],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return answer.stdout
