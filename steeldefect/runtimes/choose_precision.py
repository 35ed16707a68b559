"""Choose the precision on this host: as asked, or by the bundle's evidence and this CPU.

OpenVINO runs int8 on any CPU. Without dot-product instructions (VNNI) it multiplies in pairs,
which may saturate and is hardly faster than f32. bf16 needs a CPU with instructions for it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from steeldefect.bundle.manifest import Compiled, CpuPrecision
from steeldefect.errors import DeviceError
from steeldefect.runtimes.by_evidence import Choice, choose_by_evidence
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
    return frozenset(_stated("flags").split())


@cache
def cpu_name() -> str:
    """Read the name of this CPU; empty if Linux names none."""
    return _stated("model name")


def cpu_precisions(flags: frozenset[str] | None = None) -> frozenset[CpuPrecision]:
    """Return the precisions that a CPU has instructions for; f32 always.

    Args:
        flags: flags of the CPU, as `cpu_flags` returns them; None for this CPU.
    """
    found = cpu_flags() if flags is None else flags
    fast = {precision for precision, any_of in _NEEDED.items() if any_of & found}
    return frozenset({CpuPrecision.F32, *fast})


def possible_precisions(compiled: Compiled | None) -> frozenset[Precision]:
    """Return what `auto` may mean on OpenVINO, on one CPU or another; f32 is always one of them."""
    usable = {CpuPrecision.F32} if compiled is None else compiled.usable
    return frozenset(Precision(one.value) for one in usable)


def choose_precision(
    asked: Precision,
    runtime: RuntimeChoice,
    compiled: Compiled | None = None,
    served: frozenset[CpuPrecision] | None = None,
) -> Choice:
    """Return the precisions that run here; never `auto`.

    With OpenVINO, the bundle and this CPU decide what `auto` means; see `choose_for_cpu`. In all
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
        if runtime is not RuntimeChoice.OPENVINO:
            return Choice(Precision.F32, Precision.F32)
        if compiled is None:
            return Choice(Precision.F32, Precision.F32, "f32 is the bundle's default")
        return choose_for_cpu(compiled, served)
    if asked is Precision.BF16 and CpuPrecision.BF16 not in served:
        raise DeviceError(
            "precision=bf16, but this CPU has no instructions for it (AVX-512 BF16 or AMX) "
            "and bf16 would be slower than f32; set precision=auto"
        )
    return Choice(asked, asked)


def choose_for_cpu(compiled: Compiled, served: frozenset[CpuPrecision]) -> Choice:
    """Return what `auto` means for a bundle, on a CPU with these instructions.

    A bundle with evidence decides for each model; see `choose_by_evidence`. An older bundle keeps
    the default that it states, if the CPU has instructions for it.

    Args:
        compiled: the bundle's forms for CPUs.
        served: precisions that the CPU has instructions for.
    """
    if compiled.has_evidence:
        return choose_by_evidence(compiled, served)
    default = compiled.default
    if default not in served:
        why = f"this CPU has no instructions for {default.value}, the bundle's default"
        return Choice(Precision.F32, Precision.F32, why)
    why = f"{default.value} is the bundle's default"
    if default is not CpuPrecision.F32:
        why += ", chosen by means alone: export the bundle again to check its masks"
    return Choice(Precision(default.value), Precision(default.value), why)


def _stated(field: str) -> str:
    """Read a field of the first CPU from /proc/cpuinfo; empty if it is missing."""
    try:
        lines = _CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return ""
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith(field)),
        "",
    )
