"""Compiled forms with evidence that is stated by hand."""

from __future__ import annotations

from collections.abc import Mapping

from steeldefect.bundle.manifest import (
    Compiled,
    CompiledForm,
    Cpu,
    CpuPrecision,
    ModelEvidence,
)

F32, BF16, INT8 = CpuPrecision

Timed = Mapping[CpuPrecision, tuple[float, float]]
"""Milliseconds of the gate and of the segmenter, by precision."""


def evidence(milliseconds: float, why_not: str = "") -> ModelEvidence:
    """Return evidence that admits a model, unless there is a reason against it."""
    return ModelEvidence(
        mask_dice=0.99,
        drop_interval=(0.0, 0.001),
        groups=100,
        milliseconds=milliseconds,
        admitted=not why_not,
        why_not=why_not,
    )


def compiled_by_evidence(
    times: Timed,
    refused: Mapping[tuple[str, CpuPrecision], str] | None = None,
    passing_share: float = 0.5,
    gate: bool = True,
) -> Compiled:
    """Return forms with these times.

    Args:
        times: milliseconds of gate and segmenter; only these precisions were measured.
        refused: why a model ("gate", "segmenter") is not admitted at a precision.
        passing_share: share of the pictures that reach the segmenter.
        gate: whether the bundle has a gate.
    """
    against = refused or {}
    forms = [
        CompiledForm(
            precision=precision,
            pictures=100,
            gate_difference=0.01 if gate else None,
            segmenter_pixels=0.01,
            positives_dice_drop=0.0,
            gate_recall_drop=0.0 if gate else None,
            gate=evidence(first, against.get(("gate", precision), "")) if gate else None,
            segmenter=evidence(second, against.get(("segmenter", precision), "")),
        )
        for precision, (first, second) in times.items()
    ]
    return Compiled(
        default=F32,
        reason="stated by hand",
        forms=forms,
        passing_share=passing_share,
        cpu=Cpu(name="a CPU", flags=["avx2"]),
    )
