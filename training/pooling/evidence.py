"""The answers by which the values of a pooled bundle are chosen, and by which it is measured.

- *Members of one split*, such as several seeds: the models of the new bundle themselves answer. No
  member was fitted on the test part, and none learnt from the validation part.
- *Folds of one split file*: each picture was fitted on by all members but one, or two. So each
  picture is answered by the member that held it out, for calibration and for the scores. The
  mean of all members is never measured. Its thresholds are those that suit its members, chosen on
  all pictures. Scores are those of the members, with thresholds that are chosen in the same way,
  but for each member without the pictures that it held out. So nothing is chosen by what it scores,
  and each choice sees nearly as many pictures as that of the mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from steeldefect.bundle.manifest import Manifest, with_lowest_format
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector
from steeldefect.errors import DataError
from steeldefect.program.progress import say
from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions
from training.calibration.calibrate import calibrate
from training.calibration.measure import Measured, measure
from training.calibration.region_confidence import calibrate_regions
from training.data.dataset import LabelledPicture
from training.evaluation.run_detector import PictureResult, run_detector
from training.evaluation.score_held_out import HeldOut, held_out_of
from training.finish import Evidence, OfParts
from training.pooling.members import Member
from training.recipe import Calibrate, Recipe
from training.splitting.split import Parts

_EXACT = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, precision=Precision.F32, threads=0)
_ROUNDED = replace(_EXACT, precision=Precision.BF16)
_AS_SCORED = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, precision=Precision.AUTO, threads=0)

OF_FOLDS = (
    "scores are those of the members, each on the pictures that it held out, with thresholds "
    "chosen on the pictures that the others held out: the mean of their answers was not measured, "
    "because every picture was fitted on by some of them"
)

NO_GUARANTEE = (
    "nothing is guaranteed: a guarantee holds for the models that were tested, and the mean of the "
    "members was not"
)


@dataclass(frozen=True)
class Answered:
    """How a pooled bundle is measured.

    Attributes:
        parts: parts of its split; of folds, all pictures are in the train part.
        evidence: the answers.
        of_folds: whether the members are folds, which answer in place of their mean.
    """

    parts: Parts
    evidence: Evidence
    of_folds: bool = False

    def admitted(self, recipe: Recipe) -> tuple[Recipe, list[str]]:
        """Return the recipe as far as these answers can carry it, and notes for a reader.

        A guarantee is exact for the models that were tested. Of folds, that is not their mean.
        """
        if not self.of_folds:
            return recipe, []
        notes = [OF_FOLDS]
        if recipe.calibrate.guarantee is not None:
            notes.append(NO_GUARANTEE)
        calibrate = recipe.calibrate.model_copy(update={"guarantee": None})
        return recipe.model_copy(update={"calibrate": calibrate}), notes


def answered_by(members: Sequence[Member]) -> Answered:
    """Find out how bundles belong together, and who answers for which picture.

    Raises:
        DataError: they are neither of one split nor of folds.
    """
    first = members[0].parts
    if all(_names(one.parts) == _names(first) for one in members):
        return Answered(first, OfParts(first))
    tested = [picture.name for one in members for picture in one.parts.test]
    if len(set(tested)) < len(tested):
        raise DataError(
            "these bundles have neither one split nor test parts without common pictures: pool "
            "fits of one split file, or the folds of one"
        )
    everything = sorted({one.name: one for one in _all(first)}.values(), key=lambda one: one.name)
    settings = members[0].recipe.calibrate.model_copy(update={"guarantee": None})
    evidence = _OfFolds(members, settings)
    return Answered(Parts(tuple(everything), (), ()), evidence, of_folds=True)


class _OfFolds:
    """Each picture is answered by the member that held it out."""

    def __init__(self, members: Sequence[Member], settings: Calibrate) -> None:
        """Take members whose test parts have no picture in common, and how to calibrate them."""
        self._members = members
        self._settings = settings
        self._draft: Manifest | None = None
        self._measured: list[Measured] = []
        self.choosing: Sequence[LabelledPicture] = _tested(members)
        self.measuring: Sequence[LabelledPicture] = self.choosing

    def measure(self, exact: Detector, rounded: Detector | None) -> Measured:
        """Run each member over its test part, with the draft manifest of the new bundle."""
        draft = self._draft = exact.manifest
        self._measured = [
            measure(
                _opened(one, draft, _EXACT),
                one.parts.test,
                None if rounded is None else _opened(one, draft, _ROUNDED),
            )
            for one in self._members
        ]
        return _one_after_another(self._measured, self._members)

    def results(self, detector: Detector) -> Sequence[PictureResult]:
        """Run each member over its test part, with the values of the new bundle."""
        return _results(self._members, detector.manifest)

    def held_out(self, scoring: Detector) -> HeldOut:
        """Run each member over its test part, with values chosen by the others; after `measure`."""
        results: list[PictureResult] = []
        for number, one in enumerate(self._members):
            say(f"fold {number + 1} of {len(self._members)}: thresholds chosen by the others")
            chosen = self._chosen_without(number)
            values = {"classes": chosen.classes, "gate": chosen.gate}
            stated = with_lowest_format(one.manifest.model_copy(update=values))
            results += run_detector(_opened(one, stated, _AS_SCORED), one.parts.test)
        # the members' scales of oddness differ
        return held_out_of(results, scoring.manifest.model_copy(update={"novelty": None}))

    def _chosen_without(self, number: int) -> Manifest:
        """Return the draft, calibrated on the pictures that the other members held out."""
        if self._draft is None:
            raise ValueError("measure the members first")
        others = [one for place, one in enumerate(self._members) if place != number]
        answers = [one for place, one in enumerate(self._measured) if place != number]
        measured = _one_after_another(answers, others)
        manifest = calibrate(measured, self._draft, _tested(others), self._settings).manifest
        if not self._settings.regions:
            return manifest
        regions = [region for one in _results(others, manifest) for region in one.regions]
        return calibrate_regions(manifest, regions).manifest


def _tested(members: Sequence[Member]) -> list[LabelledPicture]:
    return [picture for one in members for picture in one.parts.test]


def _one_after_another(parts: Sequence[Measured], members: Sequence[Member]) -> Measured:
    """Join the answers of members for their test parts."""
    sweeps, first = [], 0
    for part, one in zip(parts, members, strict=True):
        sweeps.append(part.sweep.assign(picture=part.sweep["picture"] + first))
        first += len(one.parts.test)
    rounded = [part.rounded for part in parts if part.rounded is not None]
    return Measured(
        np.concatenate([part.probability for part in parts]),
        pd.concat(sweeps, ignore_index=True),
        np.concatenate(rounded) if len(rounded) == len(parts) else None,
    )


def _results(members: Sequence[Member], manifest: Manifest) -> list[PictureResult]:
    """Run each member over its test part, with the values of another manifest."""
    return [
        result
        for one in members
        for result in run_detector(_opened(one, manifest, _EXACT), one.parts.test)
    ]


def _opened(member: Member, manifest: Manifest, options: RuntimeOptions) -> Detector:
    """Open a member with the values of another manifest; only novelty is its own."""
    own = {"novelty": member.manifest.novelty, "files": member.manifest.files}
    stated = manifest.model_copy(update=own)
    return open_detector(replace(member.bundle, manifest=stated), options)


def _names(parts: Parts) -> dict[str, set[str]]:
    return {name: {one.name for one in pictures} for name, pictures in parts.named().items()}


def _all(parts: Parts) -> Iterator[LabelledPicture]:
    for pictures in parts.named().values():
        yield from pictures
