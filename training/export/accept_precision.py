"""Choose the default precision on CPUs; refuse a compiled form that loses too much quality.

Every compiled form and the Keras models are run over the validation pictures in the same way as
scoring, thresholds included. int8 becomes the default if its drop of Dice and of gate recall stays
within the limits of the recipe; otherwise bf16 under the same rule; otherwise f32.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import overload

from steeldefect.bundle.manifest import Compiled, CompiledForm, CpuPrecision, Manifest
from steeldefect.detection.detector import Detector
from steeldefect.errors import BundleError, InferenceError
from steeldefect.pictures.preprocessing import Gray
from steeldefect.program.progress import say
from training.data.dataset import LabelledPicture
from training.export.compare_forms import FormResult, compare, run_form
from training.export.staging import Staged
from training.recipe import Compile

_FASTEST_FIRST = (CpuPrecision.INT8, CpuPrecision.BF16)


def accept_precision(
    staged: Staged,
    manifest: Manifest,
    train_pictures: Sequence[LabelledPicture],
    validation_pictures: Sequence[LabelledPicture],
    settings: Compile,
) -> Compiled:
    """Make the int8 forms, compare all forms with Keras, and choose the default form.

    A form that cannot be made or run is left out, and `Compiled.reason` says why. The f32 form
    is required.

    Args:
        staged: models in all forms; the int8 forms are added.
        manifest: manifest with the thresholds that scoring will use.
        train_pictures: pictures from which those for the int8 ranges are chosen.
        validation_pictures: pictures on which the forms are compared.
        settings: limits and number of int8 pictures.

    Raises:
        DataError: a picture cannot be read.
        InferenceError: an output of Keras or of the f32 form is not finite.
    """
    missing = _quantise(staged, train_pictures, settings)
    if CpuPrecision.BF16 not in staged.precisions:
        missing[CpuPrecision.BF16] = "the CPU that exported the bundle has no instructions for it"
    pictures = list(validation_pictures)
    expected = _timed("Keras", staged.keras_detector(manifest), pictures)
    forms = []
    for precision in staged.precisions:
        try:
            found = _timed(precision.value, staged.detector(manifest, precision), pictures)
        except (InferenceError, RuntimeError) as error:  # OpenVINO raises RuntimeError
            if precision is CpuPrecision.F32:
                raise
            missing[precision] = str(error)
            continue
        forms.append(compare(precision, expected, found))
    if CpuPrecision.INT8 in missing:
        staged.discard_int8()
    default, reason = choose(forms, missing, settings)
    say(f"compiled: {reason}")
    return Compiled(default=default, reason=reason, forms=forms)


def choose(
    forms: Sequence[CompiledForm], missing: Mapping[CpuPrecision, str], settings: Compile
) -> tuple[CpuPrecision, str]:
    """Choose the default among measured forms.

    Args:
        forms: measured forms.
        missing: reason why a form was not measured, by precision.
        settings: largest drops of Dice and recall.

    Returns:
        The precision, and one sentence with the figures.
    """
    measured = {form.precision: form for form in forms}
    refused = []
    for precision in _FASTEST_FIRST:
        form = measured.get(precision)
        if form is None:
            why = missing.get(precision, "it was not measured")
            refused.append(f"{precision.value} is missing: {why}")
            continue
        figures = f"on {form.pictures} validation pictures {_figures(form, settings)}"
        if _allowed(form, settings):
            chosen = f"{precision.value} is the default: against Keras {figures}"
            return precision, "; ".join([chosen, *refused])
        refused.append(f"{precision.value} loses too much: against Keras {figures}")
    return CpuPrecision.F32, "; ".join(["f32 is the default", *refused])


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


def _timed(name: str, detector: Detector, pictures: Sequence[LabelledPicture]) -> FormResult:
    began = time.monotonic()
    result = run_form(detector, pictures)
    rate = len(pictures) / (time.monotonic() - began)
    say(f"compiled: {name} on {len(pictures)} validation pictures, {rate:.1f} pictures/s")
    return result


def _allowed(form: CompiledForm, settings: Compile) -> bool:
    """Return whether the drops of a form are within the limits.

    An unknown drop of Dice is not allowed. An unknown drop of recall is allowed: without a gate
    there is no recall.
    """
    if form.positives_dice_drop is None or form.positives_dice_drop > settings.max_dice_drop:
        return False
    return form.gate_recall_drop is None or form.gate_recall_drop <= settings.max_recall_drop


def _figures(form: CompiledForm, settings: Compile) -> str:
    figures = [_figure("positives-only Dice", form.positives_dice_drop, settings.max_dice_drop)]
    if form.gate_recall_drop is not None:
        figures.append(_figure("gate recall", form.gate_recall_drop, settings.max_recall_drop))
    return " and ".join(figures)


def _figure(name: str, drop: float | None, allowed: float) -> str:
    if drop is None:
        return f"{name} is not known"
    change = round(-drop, 4) + 0.0  # never -0.0
    return f"{name} changes by {change:+.4f} (allowed: {-allowed:.4f})"
