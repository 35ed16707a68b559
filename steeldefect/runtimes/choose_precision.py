"""Choose the precision on this host: as asked, or the bundle's default if the CPU supports it.

OpenVINO runs int8 on any CPU. Without dot-product instructions (VNNI) it multiplies in pairs,
which may saturate and is hardly faster than f32. bf16 needs a CPU with instructions for it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from steeldefect.bundle.manifest import Compiled, CpuPrecision
from steeldefect.errors import DeviceError
from steeldefect.runtimes.choices import Precision, RuntimeChoice

_CPUINFO = Path("/proc/cpuinfo")
_NEEDED = {
    CpuPrecision.BF16: frozenset({"avx512_bf16", "amx_bf16"}),
    CpuPrecision.INT8: frozenset({"avx512_vnni", "avx_vnni", "amx_int8"}),
}
"""Flags in /proc/cpuinfo; a precision needs any one of its flags. f32 needs none."""


@cache
def cpu_flags() -> frozenset[str]:
    """Read the instruction sets of this CPU, as Linux names them; empty if it names none."""
    try:
        lines = _CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return next(
        (frozenset(line.partition(":")[2].split()) for line in lines if line.startswith("flags")),
        frozenset(),
    )


def cpu_precisions(flags: frozenset[str] | None = None) -> frozenset[CpuPrecision]:
    """Return the precisions that a CPU has instructions for; f32 always.

    Args:
        flags: flags of the CPU, as `cpu_flags` returns them; None for this CPU.
    """
    found = cpu_flags() if flags is None else flags
    fast = {precision for precision, any_of in _NEEDED.items() if any_of & found}
    return frozenset({CpuPrecision.F32, *fast})


def default_precision(compiled: Compiled | None) -> Precision:
    """Return the precision that `auto` means on OpenVINO: the bundle's default, or f32."""
    return Precision.F32 if compiled is None else Precision(compiled.default.value)


def choose_precision(
    asked: Precision,
    runtime: RuntimeChoice,
    compiled: Compiled | None = None,
    served: frozenset[CpuPrecision] | None = None,
) -> Precision:
    """Return the precision that runs here; never `auto`.

    With OpenVINO, `auto` becomes the bundle's default if this CPU has instructions for it. In all
    other cases `auto` becomes f32. int8 runs on any CPU if the settings ask for it.

    Args:
        asked: precision in the settings.
        runtime: not `auto`.
        compiled: the bundle's forms for CPUs; None if its manifest lacks them.
        served: precisions that the CPU has instructions for; None for this CPU.

    Raises:
        DeviceError: bf16 is asked for, and the CPU has no instructions for it.
    """
    served = cpu_precisions() if served is None else served
    if asked is Precision.AUTO:
        on_cpu = runtime is RuntimeChoice.OPENVINO
        wanted = default_precision(compiled) if on_cpu else Precision.F32
        return wanted if CpuPrecision(wanted.value) in served else Precision.F32
    if asked is Precision.BF16 and CpuPrecision.BF16 not in served:
        raise DeviceError(
            "precision=bf16, but this CPU has no instructions for it (AVX-512 BF16 or AMX) "
            "and bf16 would be slower than f32; set precision=auto"
        )
    return asked
