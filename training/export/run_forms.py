"""Run the models of all forms over labelled pictures, each beside the other model of Keras.

The segmenter of a form runs behind the gate of Keras, and the gate of a form before the segmenter
of Keras. So each model is judged alone, and gate and segmenter may get different precisions.
Pictures are read once for all forms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from steeldefect.bundle.manifest import CpuPrecision, GateMode
from steeldefect.detection.detector import Detector
from steeldefect.detection.novelty import GateAnswer, Judged
from steeldefect.errors import InferenceError
from steeldefect.pictures.preprocessing import Float32
from training.data.dataset import LabelledPicture
from training.evaluation.run_detector import GatedBatch, Masks, masks_of, run_gate, segment_batch


@dataclass
class Answers:
    """The answers to labelled pictures, in their order.

    Attributes:
        probability: the gate's probabilities; NaN without a gate.
        masks: final masks of each picture; empty if the gate stopped the picture.
        novelty: how unlike clean pictures they are; None if the bundle does not judge it.
    """

    probability: list[float] = field(default_factory=list)
    masks: list[Masks] = field(default_factory=list)
    novelty: list[float | None] = field(default_factory=list)

    def add(
        self, probability: Float32, masks: Sequence[Masks], novelty: Sequence[float | None] = ()
    ) -> None:
        """Add the answers to the next pictures: float32 (n,), n masks, and n novelties."""
        self.probability += probability.tolist()
        self.masks += masks
        self.novelty += novelty


@dataclass
class FormAnswers:
    """The answers of a form: of its gate beside Keras' segmenter, and the other way round."""

    gate: Answers = field(default_factory=Answers)
    segmenter: Answers = field(default_factory=Answers)


@dataclass
class AllAnswers:
    """The answers of Keras and of the forms.

    Attributes:
        keras: answers of both Keras models.
        forms: answers of the forms that ran on all pictures.
        failed: why a form did not, by precision.
        passed: number of pictures that pass Keras' gate.
    """

    keras: Answers = field(default_factory=Answers)
    forms: dict[CpuPrecision, FormAnswers] = field(default_factory=dict)
    failed: dict[CpuPrecision, str] = field(default_factory=dict)
    passed: int = 0


def run_forms(
    keras: Detector,
    forms: Mapping[CpuPrecision, Detector],
    pictures: Sequence[LabelledPicture],
) -> AllAnswers:
    """Run Keras and all forms over labelled pictures, with the thresholds of scoring.

    A form that fails is given up, except f32.

    Args:
        keras: detector with the Keras models.
        forms: detectors with the same manifest, by precision.
        pictures: labelled pictures.

    Raises:
        DataError: a picture cannot be read.
        InferenceError: an output of Keras or of the f32 form is not finite.
    """
    answers = AllAnswers(forms={precision: FormAnswers() for precision in forms})
    for batch in run_gate(keras, pictures):
        gates: dict[CpuPrecision | None, Judged] = {None: batch.judged}
        for precision in list(answers.forms):
            try:
                gates[precision] = _run_form(forms[precision], batch, answers.forms[precision])
            except (InferenceError, RuntimeError) as error:  # OpenVINO raises RuntimeError
                if precision is CpuPrecision.F32:
                    raise
                answers.failed[precision] = str(error)
                del answers.forms[precision]
        masks = _behind_gates(keras, batch, gates)
        _add(answers.keras, keras, gates[None], masks[None])
        answers.passed += int(keras.passes(*gates[None]).sum())
        for precision, form in answers.forms.items():
            _add(form.gate, keras, gates[precision], masks[precision])
    return answers


def _add(answers: Answers, keras: Detector, judged: Judged, masks: Sequence[Masks]) -> None:
    """Add what a gate says, and the masks behind it."""
    novelty = [keras.novelty(one) for one in judged.oddness.tolist()]
    answers.add(judged.probability, masks, novelty)


def _run_form(detector: Detector, batch: GatedBatch, answers: FormAnswers) -> Judged:
    """Add the answers of a form's segmenter behind Keras' gate; return those of the form's gate.

    Raises:
        InferenceError: an output is not finite.
    """
    judged = detector.judge(batch.prepared)
    if detector.has_gate and np.isnan(judged.probability).any():
        raise InferenceError("the gate's answer is not finite")
    results = list(segment_batch(detector, batch))
    answers.segmenter.add(batch.probabilities, [one.masks for one in results])
    return judged


def _behind_gates(
    keras: Detector, batch: GatedBatch, gates: Mapping[CpuPrecision | None, Judged]
) -> dict[CpuPrecision | None, list[Masks]]:
    """Return the masks of Keras' segmenter behind several gates, by gate.

    Args:
        keras: detector with the Keras models.
        batch: n pictures.
        gates: what each gate says of them.
    """
    passes = {name: keras.passes(*judged) for name, judged in gates.items()}
    segmented = np.flatnonzero(np.logical_or.reduce(list(passes.values())))
    masks: dict[CpuPrecision | None, list[Masks]] = {
        name: [{} for _ in batch.pictures] for name in gates
    }
    if not len(segmented):
        return masks
    maps = keras.maps([batch.prepared[place] for place in segmented])
    for place, picture_maps in zip(segmented.tolist(), maps, strict=True):
        known: dict[tuple[float, bool], Masks] = {}
        for name, judged in gates.items():
            if passes[name][place]:
                value = float(judged.probability[place]) if _is_soft(keras) else 0.0
                answer = GateAnswer(value, float(judged.oddness[place]))
                odd = answer.is_odd(keras.manifest.novelty)
                if (value, odd) not in known:
                    shape = batch.prepared[place].shape
                    outline = keras.outline(picture_maps, shape, answer)
                    known[value, odd] = masks_of(outline, batch.pictures[place])
                masks[name][place] = known[value, odd]
    return masks


def _is_soft(detector: Detector) -> bool:
    """Return whether minimum areas depend on the gate's probability."""
    gate = detector.manifest.gate
    return gate is not None and gate.mode is GateMode.SOFT
