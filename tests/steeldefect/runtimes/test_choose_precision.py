"""Which arithmetic a CPU has instructions for."""

from __future__ import annotations

from pathlib import Path

import pytest

from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.runtimes import choose_precision
from steeldefect.runtimes.choose_precision import cpu_flags, cpu_precisions

F32, BF16, INT8 = CpuPrecision


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("", {F32}),
        ("sse4_2 avx avx2 fma", {F32}),  # Zen 2 and 3, Haswell
        ("avx2 avx512f avx512bw", {F32}),  # Skylake
        ("avx2 avx512f avx512_vnni", {F32, INT8}),  # Cascade Lake, Ice Lake
        ("avx2 avx_vnni", {F32, INT8}),  # Alder Lake
        ("avx512f avx512_vnni avx512_bf16", {F32, BF16, INT8}),  # Cooper Lake, Zen 4
        ("avx512_vnni amx_tile amx_bf16 amx_int8", {F32, BF16, INT8}),
    ],
)
def test_what_instruction_sets_allow(flags: str, expected: set[CpuPrecision]) -> None:
    assert cpu_precisions(frozenset(flags.split())) == expected


def test_the_flags_of_this_cpu_are_read() -> None:
    assert "sse2" in cpu_flags()  # every x86-64
    assert F32 in cpu_precisions()


@pytest.mark.parametrize("text", ["", "processor\t: 0\nFeatures\t: asimd\n", None])
def test_a_host_that_does_not_say_is_taken_for_the_plainest(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(choose_precision, "_CPUINFO", path)
    assert cpu_flags.__wrapped__() == frozenset()
