"""Make the reference of a bundle: what pictures that it did not learn from look like to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from steeldefect.detection.regions import MaskRegions
from steeldefect.pictures import run_lengths
from steeldefect.pictures.statistics import PictureStatistics, picture_statistics
from steeldefect.watch.bundle_reference import VALIDATION
from steeldefect.watch.observed import Observed
from steeldefect.watch.reference import Reference, make_reference
from training.evaluation.run_detector import PictureResult

_PLACES = {"camera": None, "coil": None}  # a training folder does not state them


def bundle_reference(results: Sequence[PictureResult], classes: Mapping[int, str]) -> Reference:
    """Measure pictures and findings, as scoring does.

    Args:
        results: answers with final thresholds, on pictures that the models did not learn from;
            somebody chose the pictures, so rates say nothing.
        classes: names of all classes that may be found, by id.

    Raises:
        DataError: a picture cannot be read, or there is none.
    """
    found = [
        {"picture": number, "class_id": class_id}
        for number, one in enumerate(results)
        for class_id in one.masks
    ]
    regions = [row for number, one in enumerate(results) for row in _regions(number, one)]
    observed = Observed(
        bundle="",  # the digest is known only after the bundle is sealed
        classes=dict(classes),
        images=pd.DataFrame([_image(one) for one in results], columns=list(_IMAGE)),
        found=pd.DataFrame(found, columns=["picture", "class_id"]),
        regions=pd.DataFrame(regions, columns=["picture", "class_id", "area", "length"]),
        failed=pd.DataFrame(columns=list(_PLACES)),
    )
    return make_reference(observed, VALIDATION, as_they_come=False)


_IMAGE = (*_PLACES, *PictureStatistics._fields, "gate_probability", "defective")


def _image(result: PictureResult) -> dict[str, Any]:
    measured = picture_statistics(result.picture.read())
    answers = {"gate_probability": result.probability, "defective": bool(result.masks)}
    return _PLACES | measured._asdict() | answers


def _regions(number: int, result: PictureResult) -> Iterator[dict[str, Any]]:
    for class_id, runs in result.masks.items():
        mask = run_lengths.to_mask(runs, result.picture.shape).astype(bool)
        for region in MaskRegions(mask, mask.astype(np.float32)).measured():
            yield {
                "picture": number,
                "class_id": class_id,
                "area": region.area,
                "length": region.shape.length,
            }
