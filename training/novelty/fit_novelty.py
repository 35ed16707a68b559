"""Fit what clean pictures look like, on the encoder of the fitted segmenter, and choose the limit.

Nothing is trained: two passes over the clean pictures collect sums, then distances. If the
validation part has enough clean pictures for the promise, the train part gives the sums and the
validation part the distances. Otherwise both parts give both, by folds: the distances of a fold are
those from the sums of the others. The folds keep groups together.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from steeldefect.bundle import manifest
from steeldefect.errors import DataError
from steeldefect.pictures.preprocessing import prepare
from steeldefect.program.progress import shown
from steeldefect.streams import in_batches
from training.backend import keras
from training.data.dataset import LabelledPicture
from training.fitting.gate_and_segmenter import Job
from training.models.encoders import ENCODER, rescaling
from training.models.novelty import Moments, Normal, compared_features, smoothed
from training.novelty.limit import Limit, choose_limit, fewest_pictures
from training.recipe import Novelty

_FOLDS = 5
_AT_A_TIME = 8  # pictures in memory together
_OUTLINED = 0.8
"""Share of the limit's distance from which the pixels around an odd place belong to its region."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FittedNovelty:
    """What clean pictures look like.

    Attributes:
        normal: mean and whitening of their features.
        scale: squared distance of oddness 1/2.
        record: the manifest's section.
        notes: notes for a reader of the bundle.
        seconds: seconds that it took.
    """

    normal: Normal
    scale: float
    record: manifest.Novelty
    notes: tuple[str, ...]
    seconds: float


def fit_novelty(job: Job, segmenter: keras.Model, settings: Novelty) -> FittedNovelty:
    """Fit what clean pictures look like; only clean pictures of train and validation part count.

    Args:
        job: recipe and parts of the fit.
        segmenter: fitted model with an encoder.
        settings: section of the recipe.

    Raises:
        DataError: there are fewer than two groups of clean pictures, or one cannot be read.
    """
    began = time.monotonic()
    train, validation = (
        [one for one in part if not one.defective]
        for part in (job.parts.train, job.parts.validation)
    )
    apart = bool(train) and len(validation) >= fewest_pictures(settings.false_alarms)
    looks = _Looks(job, segmenter)
    total = (1 if apart else 2) * (len(train) + len(validation))
    with shown(total, lambda: looks.done, lambda: 0, work="novelty"):
        if apart:
            whole = looks.moments(train)
            scores = looks.scores(validation, Normal.of(whole))
        else:
            whole, scores = _by_folds(looks, [*train, *validation])
    limit = choose_limit(scores, settings.false_alarms)
    scale = float(np.median(scores))
    return FittedNovelty(
        normal=Normal.of(whole),
        scale=scale,
        record=_record(job, settings, limit, scale, len(scores)),
        notes=tuple(_notes(settings, limit, len(scores))),
        seconds=time.monotonic() - began,
    )


class _Looks:
    """Looks at pictures through the encoder.

    Attributes:
        done: number of pictures that were looked at.
    """

    def __init__(self, job: Job, segmenter: keras.Model) -> None:
        """Take the encoder of a segmenter, for whole pictures."""
        settings = job.recipe.segmenter
        self._spec = spec = settings.spec
        inputs = keras.Input((spec.height, spec.width, spec.channels))
        features = segmenter.get_layer(ENCODER)(rescaling(settings.encoder, spec.scaling)(inputs))
        self._model = keras.Model(inputs, compared_features(features))
        self.done = 0

    def moments(self, pictures: Sequence[LabelledPicture]) -> Moments:
        """Return the sums over the features of pictures, one or more."""
        return _sum(map(Moments.of, self._features(pictures)))

    def scores(self, pictures: Sequence[LabelledPicture], normal: Normal) -> Floats:
        """Return the squared distance of the oddest place of each picture: float64 (n,)."""
        return np.array(
            [
                smoothed(distances).max()
                for features in self._features(pictures)
                for distances in normal.squared_distances(features)
            ]
        )

    def _features(self, pictures: Sequence[LabelledPicture]) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the features of pictures, some at a time: float32 (n, h, w, c)."""
        for some in in_batches(pictures, _AT_A_TIME):
            batch = np.stack([prepare(one.read(), self._spec) for one in some])
            yield np.asarray(self._model.predict_on_batch(batch), dtype=np.float32)
            self.done += len(some)


def _by_folds(looks: _Looks, pictures: Sequence[LabelledPicture]) -> tuple[Moments, Floats]:
    """Return the sums over all pictures, and the scores of each fold by the sums of the others."""
    folds = _folds(pictures)
    if len(folds) < 2:
        raise DataError(
            f"novelty: {len(pictures)} clean pictures in the train and validation parts are too "
            "few to tell what clean pictures look like; add some, or go without: --set novelty=null"
        )
    moments = [looks.moments(fold) for fold in folds]
    whole = _sum(moments)
    scores = [
        looks.scores(fold, Normal.of(whole - own)) for fold, own in zip(folds, moments, strict=True)
    ]
    return whole, np.concatenate(scores)


def _folds(pictures: Sequence[LabelledPicture]) -> list[list[LabelledPicture]]:
    """Divide pictures by their groups, the same way on every machine; no fold is empty."""
    groups = sorted({one.group for one in pictures})
    fold_of = {group: place % _FOLDS for place, group in enumerate(groups)}
    folds: dict[int, list[LabelledPicture]] = {}
    for picture in pictures:
        folds.setdefault(fold_of[picture.group], []).append(picture)
    return [folds[number] for number in sorted(folds)]


def _sum(moments: Iterable[Moments]) -> Moments:
    return reduce(operator.add, moments)


def _record(
    job: Job, settings: Novelty, limit: Limit, scale: float, count: int
) -> manifest.Novelty:
    def oddness(squared: float) -> float:
        return squared / (squared + scale)

    unknown = manifest.DefectClass(
        id=max(job.class_ids, default=0) + 1,
        name=manifest.UNKNOWN,
        pixel_threshold=oddness(_OUTLINED**2 * limit.score),
        min_area=settings.min_area,
    )
    return manifest.Novelty(
        limit=oddness(limit.score),
        unknown=unknown,
        clean_pictures=count,
        false_alarms=limit.false_alarms,
    )


def _notes(settings: Novelty, limit: Limit, count: int) -> Iterator[str]:
    if limit.false_alarms > settings.false_alarms:
        yield (
            f"novelty: {count} clean pictures promise at most {limit.false_alarms:.4f} false "
            f"alarms for each clean picture, not {settings.false_alarms}; {settings.false_alarms} "
            f"needs {fewest_pictures(settings.false_alarms)} of them"
        )
