"""Judge the compiled forms, time them, and choose the default precision on this CPU.

Every compiled form and the Keras models are run over the validation pictures in the same way as
scoring, thresholds included. `evidence` judges them. What the evidence admits is recorded, with the
times, so that the CPU that scores can decide; see `steeldefect.runtimes.choose_precision`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import overload

from steeldefect.bundle.files import ModelName
from steeldefect.bundle.manifest import (
    Compiled,
    CompiledForm,
    CpuPrecision,
    Manifest,
    ModelEvidence,
)
from steeldefect.errors import BundleError
from steeldefect.pictures.preprocessing import Gray
from steeldefect.program.progress import say
from steeldefect.runtimes.choose_precision import choose_for_cpu, cpu_precisions
from training.data.dataset import LabelledPicture
from training.export.compare_forms import ModelFigures, compare_gate, compare_segmenter
from training.export.evidence import Limit, gate_limit, objections, segmenter_limit
from training.export.kept_guarantees import broken_guarantees
from training.export.run_forms import AllAnswers, Answers, run_forms
from training.export.staging import Staged
from training.export.time_forms import this_cpu, time_forms
from training.recipe import Compile

_TIMED_PICTURES = 4


def accept_precision(
    staged: Staged,
    manifest: Manifest,
    train_pictures: Sequence[LabelledPicture],
    validation_pictures: Sequence[LabelledPicture],
    settings: Compile,
) -> Compiled:
    """Make the int8 forms, compare all forms with Keras, time them, and choose the default.

    A form that cannot be made or run is left out, and `Compiled.reason` says why. The f32 form
    is required. The default is what scoring would choose on this CPU.

    Args:
        staged: models in all forms; the int8 forms are added.
        manifest: manifest with the thresholds that scoring will use.
        train_pictures: pictures from which those for the int8 ranges are chosen.
        validation_pictures: one or more pictures, on which the forms are compared.
        settings: limits and number of int8 pictures.

    Raises:
        DataError: a picture cannot be read.
        InferenceError: an output of Keras or of the f32 form is not finite.
    """
    missing = _quantise(staged, train_pictures, settings)
    if CpuPrecision.BF16 not in staged.precisions:
        missing[CpuPrecision.BF16] = "the CPU that exported the bundle has no instructions for it"
    pictures = list(validation_pictures)
    began = time.monotonic()
    forms = {one: staged.detector(manifest, one) for one in staged.precisions}
    answers = run_forms(staged.keras_detector(manifest), forms, pictures)
    seconds = time.monotonic() - began
    say(f"compiled: {len(pictures)} validation pictures in Keras and all forms, {seconds:.0f} s")
    missing |= answers.failed
    if CpuPrecision.INT8 in missing:
        staged.discard_int8()
    runtimes = {one: staged.compiled_runtimes(one, threads=1) for one in answers.forms}
    times = time_forms(runtimes, manifest, [one.read() for one in pictures[:_TIMED_PICTURES]])
    compiled = Compiled(
        default=CpuPrecision.F32,
        reason="",
        forms=[
            judge(precision, pictures, manifest, answers, times, settings)
            for precision in answers.forms
        ],
        passing_share=answers.passed / len(pictures),
        cpu=this_cpu(),
        shared=manifest.shares_network,
    )
    compiled = with_default(compiled, missing)
    say(f"compiled: {compiled.reason}")
    return compiled


def judge(
    precision: CpuPrecision,
    pictures: Sequence[LabelledPicture],
    manifest: Manifest,
    answers: AllAnswers,
    times: Mapping[tuple[CpuPrecision, ModelName], float],
    settings: Compile,
) -> CompiledForm:
    """Return the record of a form, with the evidence for each of its models.

    Args:
        precision: precision of the form.
        pictures: the labelled pictures.
        manifest: manifest of the bundle.
        answers: answers of Keras and of the forms to these pictures.
        times: milliseconds of each model; see `time_forms`.
        settings: largest drops.
    """
    keras, found = answers.keras, answers.forms[precision]
    class_ids = [one.id for one in manifest.classes]
    segmenter = compare_segmenter(pictures, class_ids, keras, found.segmenter)
    gate = None
    if manifest.gate is not None:
        gate = compare_gate(manifest.gate, pictures, keras, found.gate)

    def evidence(
        figures: ModelFigures, name: ModelName, limit: Limit, own: Answers
    ) -> ModelEvidence:
        broken = () if precision is CpuPrecision.F32 else broken_guarantees(manifest, pictures, own)
        why_not = " and ".join(filter(None, [objections(precision, figures, limit), *broken]))
        return ModelEvidence(
            mask_dice=figures.mask_dice,
            drop_interval=figures.drop.interval,
            groups=figures.drop.groups,
            milliseconds=max(round(times[precision, name], 3), 0.001),
            admitted=not why_not,
            why_not=why_not,
        )

    gate_evidence = None
    if gate is not None:
        gate_evidence = evidence(gate, ModelName.GATE, gate_limit(settings), found.gate)
    return CompiledForm(
        precision=precision,
        pictures=len(pictures),
        gate_difference=None if gate is None else gate.gate_difference,
        segmenter_pixels=segmenter.differing,
        positives_dice_drop=segmenter.drop.value,
        gate_recall_drop=None if gate is None else gate.drop.value,
        gate=gate_evidence,
        segmenter=evidence(
            segmenter, ModelName.SEGMENTER, segmenter_limit(settings), found.segmenter
        ),
    )


def with_default(
    compiled: Compiled,
    missing: Mapping[CpuPrecision, str],
    served: frozenset[CpuPrecision] | None = None,
) -> Compiled:
    """Return the record with the default of this CPU, and the reason in words.

    Args:
        compiled: forms with evidence.
        missing: reason why a form was not measured, by precision.
        served: precisions that the CPU has instructions for; None for this CPU.
    """
    choice = choose_for_cpu(compiled, cpu_precisions() if served is None else served)
    told = [choice.reason, *(f"{one.value} is missing: {why}" for one, why in missing.items())]
    gate, segmenter = CpuPrecision(choice.gate.value), CpuPrecision(choice.segmenter.value)
    return compiled.model_copy(
        update={
            "default": segmenter,
            "gate_default": None if gate is segmenter else gate,
            "reason": "; ".join(told),
        }
    )


def evenly_chosen(pictures: Sequence[LabelledPicture], count: int) -> list[LabelledPicture]:
    """Return `count` pictures, or all if there are fewer; the share of defective pictures stays."""
    ordered = sorted(pictures, key=lambda picture: not picture.defective)
    if len(ordered) <= count:
        return ordered
    return [ordered[(2 * place + 1) * len(ordered) // (2 * count)] for place in range(count)]


class _Reading(Sequence[Gray]):
    """Pictures that are read at each access, because all of them may not fit into memory."""

    def __init__(self, pictures: Sequence[LabelledPicture]) -> None:
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    @overload
    def __getitem__(self, place: int) -> Gray: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Gray]: ...
    def __getitem__(self, place: int | slice) -> Gray | Sequence[Gray]:
        if isinstance(place, slice):
            return _Reading(self._pictures[place])
        return self._pictures[place].read()


def _quantise(
    staged: Staged, pictures: Sequence[LabelledPicture], settings: Compile
) -> dict[CpuPrecision, str]:
    """Make the int8 forms; return the reason if they cannot be made, else an empty mapping."""
    if settings.int8_pictures == 0:
        return {CpuPrecision.INT8: "compile.int8_pictures is 0"}
    chosen = evenly_chosen(pictures, settings.int8_pictures)
    began = time.monotonic()
    try:
        staged.quantise(_Reading(chosen))
    except BundleError as error:
        return {CpuPrecision.INT8: str(error)}
    seconds = time.monotonic() - began
    say(f"compiled: int8 forms from {len(chosen)} training pictures, {seconds:.0f} s")
    return {}
