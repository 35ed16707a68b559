"""Choose the precision on a GPU: as asked if the GPU has it, or the fastest that needs no evidence.

NVIDIA's GPUs multiply in TensorFloat-32 and bfloat16 from compute capability 8.0 on (Ampere).
"""

from __future__ import annotations

from steeldefect.errors import DeviceError
from steeldefect.runtimes.choices import Precision

Capability = tuple[int, int]

_FIRST: Capability = (8, 0)


def choose_gpu_precision(asked: Precision, found: Capability | None) -> Precision:
    """Return the precision that runs on a GPU; never `auto`.

    `auto` becomes tf32 if the GPU has it, because that is what TensorFlow does by default and what
    models are trained with; else f32. bf16 is never chosen: it changes more answers.

    Args:
        asked: precision in the settings: auto, f32, tf32 or bf16.
        found: compute capability of the GPU; None if its driver does not say it.

    Raises:
        DeviceError: tf32 or bf16 is asked for, and nothing says that the GPU has it.
    """
    has_it = found is not None and found >= _FIRST
    if asked is Precision.AUTO:
        return Precision.TF32 if has_it else Precision.F32
    if asked in (Precision.TF32, Precision.BF16) and not has_it:
        raise DeviceError(
            f"precision={asked.value} needs a GPU of compute capability 8.0 or newer, but "
            f"{_told(found)}; set precision=auto"
        )
    return asked


def why_gpu_precision(asked: Precision, found: Capability | None) -> list[str]:
    """Return why `auto` became what it is, in words; empty if it was not asked for."""
    if asked is not Precision.AUTO:
        return []
    if choose_gpu_precision(asked, found) is Precision.TF32:
        return ["the GPU has TensorFloat-32"]
    return [f"f32 because {_told(found)}"]


def _told(found: Capability | None) -> str:
    if found is None:
        return "nvidia-smi does not tell the compute capability"
    return f"the compute capability of the GPU is {found[0]}.{found[1]}"
