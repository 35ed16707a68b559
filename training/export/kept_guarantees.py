"""Check that a form of the models misses no more groups than a guarantee allows.

The thresholds of a guarantee were chosen with the f32 form. Another form has a proof of its own if
it misses at most as many groups, of those that tested the guarantee, as is allowed: the bound of
`training.calibration.guarantee` holds for every model that does so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from steeldefect.bundle.manifest import Guarantee, Manifest
from steeldefect.detection.gating import reaches_threshold
from steeldefect.pictures import run_lengths
from training.calibration.guarantee import allowed_misses
from training.calibration.guarantee_halves import Halves, guarantee_halves
from training.data.dataset import LabelledPicture
from training.evaluation.missed_groups import missed_groups
from training.export.run_forms import Answers

_NO_RUNS = run_lengths.parse("")


def broken_guarantees(
    manifest: Manifest, pictures: Sequence[LabelledPicture], answers: Answers
) -> Iterator[str]:
    """Yield the guarantees of a bundle that do not hold for a form.

    Args:
        manifest: calibrated manifest.
        pictures: all validation pictures, in the order of the calibration.
        answers: answers of the form, or of one model of it beside Keras' other model.
    """
    held = [one for one in _guarantees(manifest) if one.held]
    if not held:
        return
    class_ids = [one.id for one in manifest.classes]
    halves = guarantee_halves(pictures, class_ids, held[0].missed, held[0].confidence)
    for one in held:
        missed = _missed(one, manifest, pictures, answers, halves)
        allowed = allowed_misses(one.groups, one.missed, one.confidence)
        if allowed is not None and missed > allowed:
            what = "the gate" if one.class_id is None else f"class {one.class_id}"
            yield (
                f"it misses {missed} of {one.groups} groups where the guarantee of {what} allows "
                f"{allowed}"
            )


def _guarantees(manifest: Manifest) -> Sequence[Guarantee]:
    return () if manifest.calibration is None else manifest.calibration.guarantees


def _missed(
    guarantee: Guarantee,
    manifest: Manifest,
    pictures: Sequence[LabelledPicture],
    answers: Answers,
    halves: Halves,
) -> int:
    """Return the number of missed groups among those that tested the guarantee."""
    if guarantee.class_id is None:
        return _missed_by_gate(manifest, pictures, answers, halves)
    number = guarantee.class_id
    shown = [
        (picture.group, picture.runs[number], masks.get(number, _NO_RUNS))
        for picture, masks, proves in zip(pictures, answers.masks, halves.proving, strict=True)
        if proves and number in picture.runs
    ]
    missed = np.array([not run_lengths.overlap(true, found) for _, true, found in shown], bool)
    return missed_groups([group for group, _, _ in shown], missed)[1]


def _missed_by_gate(
    manifest: Manifest, pictures: Sequence[LabelledPicture], answers: Answers, halves: Halves
) -> int:
    if manifest.gate is None:
        return 0
    passed = reaches_threshold(manifest.gate, np.array(answers.probability, np.float32))
    tests = halves.choosing & np.array([one.defective for one in pictures], dtype=bool)
    groups = [one.group for one, used in zip(pictures, tests, strict=True) if used]
    return missed_groups(groups, ~passed[tests])[1]
