"""Which arithmetic this host's CPU has instructions for.

OpenVINO runs int8 on any CPU, but without dot-product instructions (VNNI) it multiplies in pairs
that may saturate, hardly faster than f32; and it emulates nothing at bf16.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from steeldefect.bundle.manifest import CpuPrecision

_CPUINFO = Path("/proc/cpuinfo")
_NEEDED = {
    CpuPrecision.BF16: frozenset({"avx512_bf16", "amx_bf16"}),
    CpuPrecision.INT8: frozenset({"avx512_vnni", "avx_vnni", "amx_int8"}),
}
"""Any one of these flags will do, in the words of /proc/cpuinfo; f32 needs none."""


@cache
def cpu_flags() -> frozenset[str]:
    """Read the instruction sets of this CPU, as Linux names them; none where it does not say."""
    try:
        lines = _CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return next(
        (frozenset(line.partition(":")[2].split()) for line in lines if line.startswith("flags")),
        frozenset(),
    )


def cpu_precisions(flags: frozenset[str] | None = None) -> frozenset[CpuPrecision]:
    """Tell what a CPU computes by its own instructions; f32 always.

    Args:
        flags: of the CPU; None for this one.
    """
    found = cpu_flags() if flags is None else flags
    fast = {precision for precision, any_of in _NEEDED.items() if any_of & found}
    return frozenset({CpuPrecision.F32, *fast})
