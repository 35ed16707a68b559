"""Choose the precision of each model by the evidence of its bundle, for one kind of CPU.

A model may run at a precision if the evidence of the export admits it (`ModelEvidence.admitted`)
and the CPU has instructions for it. bf16 then comes before f32. int8 replaces it only if the
bundle's times say that pictures are scored at least `LEAST_SPEEDUP` times as fast: its error is the
larger one. The times are those of the CPU that exported the bundle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from steeldefect.bundle.files import ModelName
from steeldefect.bundle.manifest import (
    Compiled,
    CompiledForm,
    CpuPrecision,
    ModelEvidence,
    precision_name,
)
from steeldefect.errors import BundleError
from steeldefect.runtimes.choices import Precision

LEAST_SPEEDUP = 1.1
"""How many times as fast as without it int8 must be. A second int8 model must be so once more."""

_FASTER = (CpuPrecision.BF16, CpuPrecision.INT8)  # than f32
_Models = Mapping[ModelName, CpuPrecision]


@dataclass(frozen=True)
class Choice:
    """The precisions that run, none of them `auto`.

    Attributes:
        segmenter: precision of the segmenter.
        gate: precision of the gate; the segmenter's without a gate.
        reason: why `auto` became them; empty if they were set.
    """

    segmenter: Precision
    gate: Precision
    reason: str = ""


def choose_by_evidence(compiled: Compiled, served: frozenset[CpuPrecision]) -> Choice:
    """Return the precision of each model, and why no faster one.

    Args:
        compiled: the bundle's forms, with evidence.
        served: precisions that the CPU has instructions for.
    """
    models = _models(compiled)
    out: dict[tuple[ModelName, CpuPrecision], str] = {}
    for model in models:
        for precision in _FASTER:
            if why := _why_not(compiled, model, precision, served):
                out[model, precision] = why
    if compiled.shared:
        out = _with_reasons_of_segmenter(out)
    base = {
        model: CpuPrecision.F32 if (model, CpuPrecision.BF16) in out else CpuPrecision.BF16
        for model in models
    }
    admitted = [model for model in models if (model, CpuPrecision.INT8) not in out]
    chosen = _with_int8(compiled, base, admitted)
    for model in admitted:
        if chosen[model] is not CpuPrecision.INT8:
            faster = {**chosen, model: CpuPrecision.INT8}
            if not _allowed(compiled, faster):
                faster[ModelName.SEGMENTER] = CpuPrecision.INT8
            times = speedup(compiled, chosen, faster)
            out[model, CpuPrecision.INT8] = (
                f"by the times at export, scoring would be {times:.2f} times as fast, "
                f"{LEAST_SPEEDUP:.2f} is the least"
            )
    return _told(chosen, _first_words(compiled, base, chosen), out)


def speedup(compiled: Compiled, slow: _Models, fast: _Models) -> float:
    """Return how many times as fast a picture is scored at other precisions, by the bundle's times.

    Rounded down to hundredths, so that texts give the number that is compared.
    """
    return math.floor(100 * _milliseconds(compiled, slow) / _milliseconds(compiled, fast)) / 100


def _with_int8(compiled: Compiled, base: _Models, admitted: list[ModelName]) -> _Models:
    """Return `base`, with int8 for the admitted models that it makes faster by enough."""
    single = [{**base, model: CpuPrecision.INT8} for model in admitted]
    single = [one for one in single if _allowed(compiled, one)]
    single.sort(key=lambda one: _milliseconds(compiled, one))
    both = {**base, **dict.fromkeys(admitted, CpuPrecision.INT8)}
    chosen = base
    for tried in [*single[:1], both]:
        if speedup(compiled, chosen, tried) >= LEAST_SPEEDUP:
            chosen = tried
    return chosen


def _with_reasons_of_segmenter(
    out: Mapping[tuple[ModelName, CpuPrecision], str],
) -> dict[tuple[ModelName, CpuPrecision], str]:
    """Return the reasons, with those against the segmenter also against a shared gate.

    The evidence for the segmenter of a shared network is that of both parts at one precision.
    """
    spread = dict(out)
    for (model, precision), why in out.items():
        if model is ModelName.SEGMENTER:
            spread.setdefault((ModelName.GATE, precision), f"its features may not be: {why}")
    return spread


def _allowed(compiled: Compiled, models: _Models) -> bool:
    """Return whether models may run together: a shared gate is at least as exact."""
    gate = models.get(ModelName.GATE)
    if gate is None or not compiled.shared:
        return True
    return _rank(gate) <= _rank(models[ModelName.SEGMENTER])


def _milliseconds(compiled: Compiled, models: _Models) -> float:
    """Return the mean CPU milliseconds of a validation picture on one core."""
    share = 1.0 if compiled.passing_share is None else compiled.passing_share
    total = 0.0
    for model, precision in models.items():
        evidence = _evidence(compiled.form(precision), model)
        if evidence is None:
            raise BundleError(
                f"bundle.json: compiled: no evidence for the {model.value} at {precision.value}; "
                "export the bundle again"
            )
        total += evidence.milliseconds * (share if model is ModelName.SEGMENTER else 1.0)
    return total


def _models(compiled: Compiled) -> tuple[ModelName, ...]:
    """Return the models of the bundle, in the order in which scoring runs them."""
    has_gate = any(form.gate is not None for form in compiled.forms)
    return (ModelName.GATE, ModelName.SEGMENTER) if has_gate else (ModelName.SEGMENTER,)


def _evidence(form: CompiledForm | None, model: ModelName) -> ModelEvidence | None:
    if form is None:
        return None
    return form.gate if model is ModelName.GATE else form.segmenter


def _why_not(
    compiled: Compiled, model: ModelName, precision: CpuPrecision, served: frozenset[CpuPrecision]
) -> str | None:
    """Return why a model may not run at a precision on a CPU; None if it may."""
    evidence = _evidence(compiled.form(precision), model)
    if evidence is None:
        return "it was not measured at export"
    if not evidence.admitted:
        return evidence.why_not
    return None if precision in served else "this CPU has no instructions for it"


def _first_words(compiled: Compiled, base: _Models, chosen: _Models) -> str:
    said = f"{_name(chosen)} by the bundle's evidence"
    if chosen == base:
        return said
    return f"{said}, {speedup(compiled, base, chosen):.2f} times as fast as {_name(base)} at export"


def _told(chosen: _Models, first: str, out: Mapping[tuple[ModelName, CpuPrecision], str]) -> Choice:
    """Return the choice, with the reasons against all faster precisions."""
    told = [first]
    for precision in _FASTER:
        against = {
            model: out[model, precision]
            for model, one in chosen.items()
            if _rank(one) < _rank(precision) and (model, precision) in out
        }
        if len(against) == len(chosen) and len(set(against.values())) == 1:
            told.append(f"not {precision.value}: {next(iter(against.values()))}")
        else:
            told += [f"{one.value} not {precision.value}: {why}" for one, why in against.items()]
    segmenter = Precision(chosen[ModelName.SEGMENTER].value)
    gate = chosen.get(ModelName.GATE)
    return Choice(segmenter, segmenter if gate is None else Precision(gate.value), "; ".join(told))


def _rank(precision: CpuPrecision) -> int:
    return list(CpuPrecision).index(precision)


def _name(models: _Models) -> str:
    segmenter = models[ModelName.SEGMENTER]
    return precision_name(models.get(ModelName.GATE, segmenter).value, segmenter.value)
