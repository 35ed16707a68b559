"""Fit what clean pictures look like, on the encoder of the fitted segmenter, and choose the limit.

Nothing is trained: two passes over the clean pictures collect sums, then distances. If the
validation part has enough clean pictures for the promise, the train part gives the sums and the
validation part the distances. Otherwise both parts give both, by folds: the distances of a fold are
those from the sums of the others. The folds keep groups together.

How much the whole counts follows from the same distances as the limit. It is one number, from two
quantiles of each, so one picture hardly changes it.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

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
from training.models.novelty import LEAST, Moments, Normal, Odd, compared_features, smoothed
from training.novelty.limit import Limit, choose_limit, fewest_pictures
from training.recipe import Novelty

_FOLDS = 5
_AT_A_TIME = 8  # pictures in memory together
_OUTLINED = 0.8
"""The region of an odd place reaches as far as contrasts have this share of the distance that the
limit asks for."""

_WHOLE = 0.6
"""How much the picture as a whole counts beside its oddest place. With 0.3 to 1, defective magnetic
tiles were ranked about equally well; with more, fewer of them are above the limit."""
_USUAL, _UNUSUAL = 0.5, 0.9  # shares of clean pictures, between which their distances are compared

Floats = npt.NDArray[np.float64]

_Sums = tuple[Moments, ...]
"""Sums over the features of pictures: of contrasts, and of the whole."""


@dataclass(frozen=True)
class FittedNovelty:
    """What clean pictures look like.

    Attributes:
        odd: what the layers of the bundle's models need.
        record: the manifest's section.
        notes: notes for a reader of the bundle.
        seconds: seconds that it took.
    """

    odd: Odd
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
            normals = _normals(looks.sums(train))
            distances = looks.distances(validation, normals)
        else:
            normals, distances = _by_folds(looks, [*train, *validation])
    weight = weight_of_the_whole(distances)
    scores = distances.places ** (1 - weight) * distances.whole**weight
    limit = choose_limit(scores, settings.false_alarms)
    scale = float(np.median(scores))
    contrasts, whole = normals
    outlined = _OUTLINED ** (2 * (1 - weight)) * limit.score
    return FittedNovelty(
        odd=Odd(contrasts, whole, weight, scale),
        record=_record(job, settings, limit, outlined, scale, len(scores)),
        notes=tuple(_notes(settings, limit, len(scores))),
        seconds=time.monotonic() - began,
    )


class Distances(NamedTuple):
    """Squared distances of pictures, float64 (n,): of the oddest place, and of the whole."""

    places: Floats
    whole: Floats


def weight_of_the_whole(distances: Distances) -> float:
    """Return the weight of the whole in the geometric mean, from the distances of clean pictures.

    Logarithms of distances are compared in units of how far apart usual and unusual clean pictures
    are. The weight is at most a half: few pictures may happen to be alike.
    """
    places, whole = (
        float(np.subtract(*np.quantile(np.log(one), [_UNUSUAL, _USUAL]))) for one in distances
    )
    return min(_WHOLE * places / (_WHOLE * places + whole), 0.5) if whole > 0 else 0.0


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
        self._model = keras.Model(inputs, list(compared_features(features)))
        self.done = 0

    def sums(self, pictures: Sequence[LabelledPicture]) -> _Sums:
        """Return the sums over the features of pictures, one or more."""
        return _added(tuple(map(Moments.of, some)) for some in self._features(pictures))

    def distances(
        self, pictures: Sequence[LabelledPicture], normals: Sequence[Normal]
    ) -> Distances:
        """Return the squared distances of pictures."""
        places: list[float] = []
        whole: list[float] = []
        for some in self._features(pictures):
            of_contrasts, of_whole = (
                normal.squared_distances(features)
                for normal, features in zip(normals, some, strict=True)
            )
            places += [float(smoothed(one).max()) for one in of_contrasts]
            whole += of_whole.ravel().tolist()
        return Distances(np.array(places) + LEAST, np.array(whole) + LEAST)

    def _features(
        self, pictures: Sequence[LabelledPicture]
    ) -> Iterator[list[npt.NDArray[np.float32]]]:
        """Yield the features of pictures that are compared, some pictures at a time."""
        for some in in_batches(pictures, _AT_A_TIME):
            batch = np.stack([prepare(one.read(), self._spec) for one in some])
            yield [np.asarray(one, dtype=np.float32) for one in self._model.predict_on_batch(batch)]
            self.done += len(some)


def _by_folds(looks: _Looks, pictures: Sequence[LabelledPicture]) -> tuple[list[Normal], Distances]:
    """Return what all pictures look like, and the distance of each from those of other folds."""
    folds = _folds(pictures)
    if len(folds) < 2:
        raise DataError(
            f"novelty: {len(pictures)} clean pictures in the train and validation parts are too "
            "few to tell what clean pictures look like; add some, or go without: --set novelty=null"
        )
    sums = [looks.sums(fold) for fold in folds]
    together = _added(sums)
    distances = [
        looks.distances(fold, _normals(map(operator.sub, together, own)))
        for fold, own in zip(folds, sums, strict=True)
    ]
    return _normals(together), Distances(*map(np.concatenate, zip(*distances, strict=True)))


def _folds(pictures: Sequence[LabelledPicture]) -> list[list[LabelledPicture]]:
    """Divide pictures by their groups, the same way on every machine; no fold is empty."""
    groups = sorted({one.group for one in pictures})
    fold_of = {group: place % _FOLDS for place, group in enumerate(groups)}
    folds: dict[int, list[LabelledPicture]] = {}
    for picture in pictures:
        folds.setdefault(fold_of[picture.group], []).append(picture)
    return [folds[number] for number in sorted(folds)]


def _added(sums: Iterable[_Sums]) -> _Sums:
    return reduce(lambda one, other: tuple(map(operator.add, one, other)), sums)


def _normals(sums: Iterable[Moments]) -> list[Normal]:
    return [Normal.of(one) for one in sums]


def _record(
    job: Job, settings: Novelty, limit: Limit, outlined: float, scale: float, count: int
) -> manifest.Novelty:
    def oddness(squared: float) -> float:
        return squared / (squared + scale)

    unknown = manifest.DefectClass(
        id=max(job.class_ids, default=0) + 1,
        name=manifest.UNKNOWN,
        pixel_threshold=oddness(outlined),
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
