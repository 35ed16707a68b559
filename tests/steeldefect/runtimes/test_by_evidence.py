"""What `auto` becomes: by the bundle's evidence and times, and by the flags of the CPU."""

from __future__ import annotations

import pytest
from support.evidence import BF16, F32, INT8, Timed, compiled_by_evidence

from steeldefect.bundle.files import ModelName
from steeldefect.bundle.manifest import Compiled, CpuPrecision
from steeldefect.errors import BundleError
from steeldefect.runtimes.by_evidence import choose_by_evidence, speedup
from steeldefect.runtimes.choose_precision import cpu_precisions

AVX2 = "avx2 fma"
VNNI = "avx2 avx512f avx512_vnni"  # no bf16
ONLY_BF16 = "avx512f avx512_bf16"
AMX = "avx512_vnni avx512_bf16 amx_bf16 amx_int8"

SLOW: Timed = {F32: (40, 40), BF16: (10, 10), INT8: (9.2, 9.2)}  # 8% faster
FAST: Timed = {F32: (40, 40), BF16: (10, 10), INT8: (5, 5)}
WORSE = "its masks differ"


def chosen(compiled: Compiled, flags: str) -> tuple[str, str]:
    """Return the precisions of gate and segmenter, and the reason."""
    choice = choose_by_evidence(compiled, cpu_precisions(frozenset(flags.split())))
    return f"{choice.gate.value}+{choice.segmenter.value}", choice.reason


@pytest.mark.parametrize(
    ("times", "flags", "expected"),
    [
        (FAST, AMX, "int8+int8"),
        (SLOW, AMX, "bf16+bf16"),
        ({**SLOW, INT8: (9.1, 9.06)}, AMX, "int8+int8"),  # 1.10 times as fast, just enough
        ({**SLOW, INT8: (9.1, 9.12)}, AMX, "bf16+bf16"),  # 1.09
        (SLOW, VNNI, "int8+int8"),  # compared with f32 there
        ({**SLOW, INT8: (38, 38)}, VNNI, "f32+f32"),  # 5% faster than f32
        (FAST, ONLY_BF16, "bf16+bf16"),
        (FAST, AVX2, "f32+f32"),
        ({F32: (40, 40), INT8: (5, 5)}, AMX, "int8+int8"),  # bf16 was not measured: f32 is left
        ({F32: (40, 40), BF16: (10, 10)}, AMX, "bf16+bf16"),  # no int8 form
        ({F32: (40, 40), BF16: (10, 10)}, VNNI, "f32+f32"),
        ({F32: (40, 40)}, AMX, "f32+f32"),
    ],
)
def test_times_and_flags_decide(times: Timed, flags: str, expected: str) -> None:
    assert chosen(compiled_by_evidence(times), flags)[0] == expected


@pytest.mark.parametrize(
    ("refused", "flags", "expected"),
    [
        ([("segmenter", INT8)], AMX, "int8+bf16"),
        ([("gate", INT8)], AMX, "bf16+int8"),
        ([("gate", INT8), ("segmenter", INT8)], AMX, "bf16+bf16"),
        ([("segmenter", INT8)], VNNI, "int8+f32"),
        ([("gate", BF16), ("gate", INT8), ("segmenter", INT8)], AMX, "f32+bf16"),
        ([("gate", BF16), ("segmenter", BF16)], ONLY_BF16, "f32+f32"),
        ([("gate", INT8), ("segmenter", INT8)], VNNI, "f32+f32"),
    ],
)
def test_each_model_has_its_own_evidence(
    refused: list[tuple[str, CpuPrecision]], flags: str, expected: str
) -> None:
    compiled = compiled_by_evidence(FAST, dict.fromkeys(refused, WORSE))
    assert chosen(compiled, flags)[0] == expected


def test_a_second_int8_model_must_earn_its_place_too() -> None:
    barely = compiled_by_evidence({**FAST, INT8: (5, 9.2)})  # 15 ms, 10 ms, both 9.6 ms
    assert chosen(barely, AMX)[0] == "int8+bf16"
    together = compiled_by_evidence({**FAST, INT8: (9.1, 9.0)}, passing_share=1.0)
    assert chosen(together, AMX)[0] == "int8+int8"  # alone, either is 1.05 times as fast


def test_the_share_that_passes_weighs_the_segmenter() -> None:
    times: Timed = {F32: (40, 40), BF16: (10, 10), INT8: (10, 5)}
    assert chosen(compiled_by_evidence(times, passing_share=0.5), AMX)[0] == "bf16+int8"
    assert chosen(compiled_by_evidence(times, passing_share=0.1), AMX)[0] == "bf16+bf16"


def test_a_bundle_without_a_gate_decides_for_its_segmenter() -> None:
    compiled = compiled_by_evidence(FAST, gate=False)
    assert chosen(compiled, AMX) == (
        "int8+int8",
        "int8 by the bundle's evidence, 2.00 times as fast as bf16 at export",
    )


def test_the_reason_names_what_speaks_against_faster_forms() -> None:
    assert chosen(compiled_by_evidence(SLOW), AMX)[1] == (
        "bf16 by the bundle's evidence; gate not int8: by the times at export, scoring would be "
        "1.05 times as fast, 1.10 is the least; segmenter not int8: by the times at export, "
        "scoring would be 1.02 times as fast, 1.10 is the least"
    )
    refused = compiled_by_evidence(FAST, {("segmenter", INT8): WORSE})
    assert chosen(refused, AMX)[1] == (
        "int8+bf16 by the bundle's evidence, 1.50 times as fast as bf16 at export; "
        "segmenter not int8: its masks differ"
    )
    assert chosen(compiled_by_evidence(FAST), AVX2)[1] == (
        "f32 by the bundle's evidence; not bf16: this CPU has no instructions for it; "
        "not int8: this CPU has no instructions for it"
    )
    assert chosen(compiled_by_evidence({F32: (1, 1), INT8: (0.9, 0.9)}), AMX)[1].startswith(
        "int8 by the bundle's evidence, 1.11 times as fast as f32 at export"
    )


def test_evidence_with_a_hole_is_an_error() -> None:
    compiled = compiled_by_evidence({BF16: (10, 10), INT8: (5, 5)})
    with pytest.raises(
        BundleError, match=r"no evidence for the .* at f32; export the bundle again"
    ):
        choose_by_evidence(compiled, cpu_precisions(frozenset(VNNI.split())))


def test_speedups_are_rounded_down() -> None:
    compiled = compiled_by_evidence({F32: (1, 1), INT8: (1, 0.911)}, gate=False)
    slow, fast = ({ModelName.SEGMENTER: one} for one in (F32, INT8))
    assert speedup(compiled, slow, fast) == 1.09  # 1.0977


@pytest.mark.parametrize(
    ("times", "refused", "expected"),
    [
        (FAST, [], "int8+int8"),
        (FAST, [("segmenter", INT8)], "bf16+bf16"),
        (FAST, [("gate", INT8)], "bf16+int8"),
        (FAST, [("gate", BF16), ("gate", INT8)], "f32+bf16"),  # int8: 1.05 times as fast
        (FAST, [("gate", BF16), ("gate", INT8), ("segmenter", INT8)], "f32+bf16"),
        (FAST, [("segmenter", BF16), ("segmenter", INT8)], "f32+f32"),
        ({**FAST, INT8: (9, 12)}, [], "bf16+bf16"),  # int8 is for the gate alone
        ({**FAST, INT8: (5, 12)}, [], "int8+int8"),  # 1.36 times as fast together
        (SLOW, [], "bf16+bf16"),
    ],
)
def test_a_shared_gate_is_at_least_as_exact_as_the_segmenter(
    times: Timed, refused: list[tuple[str, CpuPrecision]], expected: str
) -> None:
    apart = compiled_by_evidence(times, dict.fromkeys(refused, WORSE))
    together = apart.model_copy(update={"shared": True})
    found, reason = chosen(together, AMX)
    assert found == expected
    assert (WORSE in reason) == bool(refused)
