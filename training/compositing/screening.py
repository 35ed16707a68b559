"""Decide which unlabelled pictures count as clean steel.

They may show defects, and whoever uses them as clean steel teaches a model to overlook these. So a
picture is used only if one of two tests takes it for clean:

- A bundle, if there is one: its models find nothing.
- Else the contrast of its most conspicuous places, if that tells the labelled clean pictures from
  the labelled defective ones (area under the ROC curve of at least 0.8). The limit is chosen on
  them: at most one in ten of those with a defect would pass. So some pictures with defects do pass.
  On strips with paint, patterns and stains, contrast tells nothing, and the test is refused.

A picture that shows a piece that a labelled picture shows is never used: its label is known
already, or it is held out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from steeldefect.bundle.files import open_bundle
from steeldefect.detection.open_detector import open_detector
from steeldefect.errors import DataError, PictureSizeError
from steeldefect.pictures.preprocessing import Gray
from steeldefect.program.progress import followed
from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions
from training.compositing.poisson import to_logs
from training.compositing.steel import steel_of
from training.data.dataset import LabelledPicture
from training.data.unlabelled import unlabelled_pictures
from training.evaluation.run_detector import run_detector
from training.splitting.views import similar_to, views_of

_READERS = 4
_PASSING = 0.1  # share of the labelled defective pictures that may pass
_LEAST_AUC = 0.8
_INSTEAD = (
    "test the textures with --bundle, or look at them, and add the clean ones to the labelled "
    "pictures with label 0"
)
_BLOCKS = 16  # blocks along the height of a picture
_LEAST_BLOCK = 8  # pixels
_CONSPICUOUS = 5  # blocks whose mean is the score
_OPTIONS = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, precision=Precision.AUTO, threads=0)

Test = Callable[[Sequence[LabelledPicture]], list[bool]]
"""Takes unlabelled pictures, and returns for each whether it counts as clean."""


@dataclass(frozen=True)
class Screened:
    """The result of the tests.

    Attributes:
        clean: pictures that count as clean.
        seen: number of pictures in the folders.
        known: number of those that show a piece that a labelled picture shows.
        test: the test, in words.
    """

    clean: tuple[LabelledPicture, ...]
    seen: int
    known: int
    test: str


def screen(
    folders: Sequence[Path],
    labelled: Sequence[LabelledPicture],
    source: Sequence[LabelledPicture],
    bundle: Path | None,
) -> Screened:
    """Read folders of unlabelled pictures, and return those that count as clean.

    Args:
        folders: folders of pictures, or folders with a folder `images` of pictures.
        labelled: all labelled pictures, held-out ones too.
        source: the labelled pictures by which the limit of contrast may be chosen.
        bundle: bundle whose models test the pictures; None: test their contrast.

    Raises:
        DataError: a folder or a picture cannot be read, or there is nothing to choose the limit by.
        BundleError: the bundle cannot be opened.
        InferenceError: a model's output is not finite.
    """
    pictures = [
        picture
        for folder, label in zip(folders, _labels(folders), strict=True)
        for picture in unlabelled_pictures(folder, label, "--textures")
    ]
    views = views_of(pictures, "fingerprints of textures")
    others = views_of(labelled, "fingerprints of labelled pictures")
    known = {view.name for view, _ in similar_to(views, others)}
    unknown = [picture for picture in pictures if picture.name not in known]
    test, words = _contrast_test(source) if bundle is None else _bundle_test(bundle)
    passes = test(unknown)
    clean = tuple(one for one, passing in zip(unknown, passes, strict=True) if passing)
    return Screened(clean, len(pictures), len(known), words)


def contrast_of(picture: Gray) -> float:
    """Return the contrast of a picture's most conspicuous places, in robust standard deviations.

    The picture is divided into square blocks. The mean and the spread of the logarithms of the gray
    levels in each block are compared with those of the blocks around (median of 5 x 5). The result
    is the mean of the five largest differences, in units of 1.4826 times the median difference.

    Args:
        picture: uint8 (height, width).
    """
    side = max(_LEAST_BLOCK, picture.shape[0] // _BLOCKS)
    rows, columns = (max(1, size // side) for size in picture.shape)
    inside = (slice(0, rows * side), slice(0, columns * side))
    if picture.shape[0] < side or picture.shape[1] < side:
        return 0.0
    blocks = to_logs(picture[inside]).reshape(rows, side, columns, side)
    on_steel = steel_of(picture)[inside].reshape(rows, side, columns, side)
    steel = np.asarray(on_steel.all(axis=(1, 3)), dtype=bool)
    if not steel.any():
        return 0.0
    spread = np.log(blocks.std(axis=(1, 3)) + 1e-3)
    found = [_differences(values, steel) for values in (blocks.mean(axis=(1, 3)), spread)]
    return float(np.sort(np.concatenate(found))[-_CONSPICUOUS:].mean())


def limit_of(clean: Sequence[float], defective: Sequence[float]) -> float:
    """Return the contrast below which a picture counts as clean.

    Args:
        clean: contrasts of labelled clean pictures.
        defective: contrasts of labelled defective pictures; at most one in ten is below the limit.

    Raises:
        DataError: contrast does not tell the one from the other, or there are none of a kind.
    """
    if not clean or not defective:
        kind = "defective" if clean else "clean"
        raise DataError(f"no usable picture is {kind}, so contrast cannot be judged; {_INSTEAD}")
    labels = [False] * len(clean) + [True] * len(defective)
    auc = float(roc_auc_score(labels, [*clean, *defective]))
    if auc < _LEAST_AUC:
        raise DataError(
            f"contrast does not tell clean from defective pictures here (AUC {auc:.2f} on "
            f"{len(labels)} labelled pictures, {_LEAST_AUC} is needed); {_INSTEAD}"
        )
    return float(np.quantile(defective, _PASSING, method="lower"))


def _differences(
    values: npt.NDArray[np.float32], steel: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return the differences of blocks of steel from the blocks around, in robust deviations."""
    filled = np.where(steel, values, np.median(values[steel])).astype(np.float32)
    around = cv2.medianBlur(np.ascontiguousarray(filled), 5)
    away = np.abs(filled - around)[steel].astype(np.float64)
    return np.asarray(away / (1.4826 * np.median(away) + 1e-6))


def _contrast_test(source: Sequence[LabelledPicture]) -> tuple[Test, str]:
    scores = _contrasts(source, "contrast of labelled pictures")
    clean = [score for score, one in zip(scores, source, strict=True) if not one.defective]
    defective = [score for score, one in zip(scores, source, strict=True) if one.defective]
    limit = limit_of(clean, defective)
    passing = sum(score < limit for score in clean)
    wrong = sum(score < limit for score in defective)
    words = (
        f"contrast below {limit:.2f}, as in {passing} of {len(clean)} labelled clean pictures and "
        f"{wrong} of {len(defective)} defective ones"
    )

    def test(pictures: Sequence[LabelledPicture]) -> list[bool]:
        return [score < limit for score in _contrasts(pictures, "contrast of textures")]

    return test, words


def _bundle_test(folder: Path) -> tuple[Test, str]:
    bundle = open_bundle(folder)
    detector = open_detector(bundle, _OPTIONS)

    def test(pictures: Sequence[LabelledPicture]) -> list[bool]:
        return list(followed(map(is_clean, pictures), len(pictures), "scoring", "pictures"))

    def is_clean(picture: LabelledPicture) -> bool:
        try:
            return not run_detector(detector, [picture])[0].masks
        except PictureSizeError:
            return False

    return test, f"bundle {bundle.digest[:12]} finds nothing"


def _contrasts(pictures: Sequence[LabelledPicture], work: str) -> list[float]:
    with ThreadPoolExecutor(_READERS) as pool:
        scores = pool.map(lambda one: contrast_of(one.read()), pictures)
        return list(followed(scores, len(pictures), work, "pictures"))


def _labels(folders: Sequence[Path]) -> list[str]:
    """Return a name for each folder; names are numbered where several folders have the same."""
    names = [folder.resolve().name for folder in folders]
    return [
        name if names.count(name) == 1 else f"{name}_{place}" for place, name in enumerate(names, 1)
    ]
