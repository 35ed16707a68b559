"""The answers by which the values of a pooled bundle are chosen, and by which it is measured.

- *Members of one split*, such as several seeds: the models of the new bundle themselves answer. No
  member was fitted on the test part, and none learnt from the validation part.
- *Folds of one split file*: each picture was fitted on by all members but one, or two. So each
  picture is answered by the member that held it out, for calibration and for the scores. The
  mean of all members is never measured. Thresholds of the mean are those that suit its members;
  scores are those of the members, each with the thresholds of its own bundle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from steeldefect.bundle.manifest import Manifest
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector
from steeldefect.errors import DataError
from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions
from training.calibration.measure import Measured, measure
from training.data.dataset import LabelledPicture
from training.evaluation.run_detector import PictureResult, run_detector
from training.evaluation.score_held_out import HeldOut, held_out_of
from training.finish import Evidence, OfParts
from training.pooling.members import Member
from training.recipe import Recipe
from training.splitting.split import Parts

_EXACT = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, precision=Precision.F32, threads=0)
_AS_SCORED = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, precision=Precision.AUTO, threads=0)

OF_FOLDS = (
    "thresholds and scores are those of the members, each on the pictures that it held out: the "
    "mean of their answers was not measured, because every picture was fitted on by some of them"
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
    return Answered(Parts(tuple(everything), (), ()), _OfFolds(members), of_folds=True)


class _OfFolds:
    """Each picture is answered by the member that held it out."""

    def __init__(self, members: Sequence[Member]) -> None:
        """Take members whose test parts have no picture in common."""
        self._members = members
        pictures = [picture for one in members for picture in one.parts.test]
        self.choosing: Sequence[LabelledPicture] = pictures
        self.measuring: Sequence[LabelledPicture] = pictures

    def measure(self, exact: Detector) -> Measured:
        """Run each member over its test part, with the draft manifest of the new bundle."""
        parts = [
            measure(detector, one.parts.test) for one, detector in self._opened(exact.manifest)
        ]
        sweeps, first = [], 0
        for part, one in zip(parts, self._members, strict=True):
            sweeps.append(part.sweep.assign(picture=part.sweep["picture"] + first))
            first += len(one.parts.test)
        probability = np.concatenate([part.probability for part in parts])
        return Measured(probability, pd.concat(sweeps, ignore_index=True))

    def results(self, detector: Detector) -> Sequence[PictureResult]:
        """Run each member over its test part, with the values of the new bundle."""
        return [
            result
            for one, opened in self._opened(detector.manifest)
            for result in run_detector(opened, one.parts.test)
        ]

    def held_out(self, scoring: Detector) -> HeldOut:
        """Run each member over its test part, with its own values, chosen on other pictures."""
        results = [
            result
            for one in self._members
            for result in run_detector(open_detector(one.bundle, _AS_SCORED), one.parts.test)
        ]
        # the members' scales of oddness differ
        return held_out_of(results, scoring.manifest.model_copy(update={"novelty": None}))

    def _opened(self, manifest: Manifest) -> Iterator[tuple[Member, Detector]]:
        """Open each member with the values of another manifest; only novelty is its own."""
        for one in self._members:
            own = {"novelty": one.manifest.novelty, "files": one.manifest.files}
            stated = manifest.model_copy(update=own)
            yield one, open_detector(replace(one.bundle, manifest=stated), _EXACT)


def _names(parts: Parts) -> dict[str, set[str]]:
    return {name: {one.name for one in pictures} for name, pictures in parts.named().items()}


def _all(parts: Parts) -> Iterator[LabelledPicture]:
    for pictures in parts.named().values():
        yield from pictures
