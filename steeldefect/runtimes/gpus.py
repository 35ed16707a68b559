"""Which GPUs a worker process sees: those that Spark gave its task, before TensorFlow is imported.

TensorFlow reads `CUDA_VISIBLE_DEVICES` once. A worker process that is kept for its next task can
therefore not change its GPU, which it never has to where executors have one GPU each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from steeldefect.errors import DeviceError

VISIBLE = "CUDA_VISIBLE_DEVICES"
_OUTER = "STEELDEFECT_OUTER_GPUS"  # what was visible before this process served its first task

_ADVICE = (
    "give each executor one GPU (spark.executor.resource.gpu.amount=1), or set "
    "spark.python.worker.reuse=false"
)


def expose_gpus(addresses: tuple[str, ...]) -> None:
    """Let this process see just the GPUs that Spark gave its task; none means none.

    Where `CUDA_VISIBLE_DEVICES` is set already, the addresses index into it. It is remembered,
    because a worker process serves many tasks. Must run before TensorFlow is imported.

    Raises:
        DeviceError: an address is no index into what is visible, or the models of this process
            run on another GPU already.
    """
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
    if "tensorflow" in sys.modules and before is not None and before != chosen:
        raise DeviceError(
            f"Spark gave this task GPU {chosen or 'none'}, but its worker process runs models on "
            f"GPU {before or 'none'}, which cannot change; {_ADVICE}"
        )
    os.environ[VISIBLE] = chosen


def check_gpu_conf(conf: Mapping[str, str]) -> None:
    """Refuse settings of Spark under which worker processes would have to change their GPU.

    Args:
        conf: Spark's settings by name.

    Raises:
        DeviceError: executors have several GPUs, and worker processes are kept.
    """
    amount = conf.get("spark.executor.resource.gpu.amount", "0")
    kept = conf.get("spark.python.worker.reuse", "true").lower() == "true"
    if kept and float(amount) > 1:
        raise DeviceError(
            f"executors have {amount} GPUs each, and keep worker processes, whose GPU cannot "
            f"change; {_ADVICE}"
        )


def free_bytes() -> int | None:
    """Ask the driver for the free memory of the first visible GPU; None where it does not say."""
    first = os.environ.get(VISIBLE, "").split(",")[0]
    query = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            [*query, *(["-i", first] if first else [])],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return int(answer.stdout.split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
