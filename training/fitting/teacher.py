"""A teacher: a bundle whose class maps a segmenter learns beside the masks.

    G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network", 2015

So one network learns what several found together (`python -m training pool --as-bundle`), and
pseudo-labels keep their probabilities. The teacher looks once at every training picture. Its maps
are kept in a file of the work folder, not in memory: a fit that resumes finds them there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from steeldefect.bundle.files import Bundle, open_bundle
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector
from steeldefect.errors import DataError, InferenceError
from steeldefect.labels.label_files import listed
from steeldefect.pictures.preprocessing import InputSpec
from steeldefect.program.progress import shown, warn
from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions
from steeldefect.streams import in_batches
from training.data.dataset import DataSet, LabelledPicture
from training.data.samples import Maps, SoftMaps
from training.fitting.checkpoint import WRITING
from training.recipe import Teacher
from training.splitting.parts import SPLIT_NAME, Parts
from training.splitting.split import read_split

MAPS_FILE = "teacher.npy"
"""Name of the file of a work folder with the teacher's class maps."""

_EXACT = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, precision=Precision.F32, threads=0)
_AT_A_TIME = 8  # pictures in memory together
_MOST = 255


class OpenedTeacher:
    """A teacher that was checked against the pictures of a fit.

    Attributes:
        settings: section of the recipe.
        digest: digest of its bundle.
        notes: notes for a reader of the student's bundle.
    """

    def __init__(self, settings: Teacher, dataset: DataSet, parts: Parts) -> None:
        """Open the bundle.

        Args:
            settings: section of the recipe.
            dataset: data set of the fit.
            parts: parts of the fit; the teacher must not know what is held out.

        Raises:
            BundleError: the bundle is missing or altered.
            DataError: its classes are others, or it was fitted on held-out pictures.
        """
        self.settings = settings
        self._bundle = open_bundle(Path(settings.bundle).expanduser())
        self.digest = self._bundle.digest
        if self._bundle.manifest.class_names != dataset.class_names:
            raise DataError(
                f"data.teacher: bundle {self.digest[:12]} has other classes than {dataset.folder}"
            )
        known = _checked(self._bundle, dataset, parts)
        share = f"weight {settings.share:g} of its class maps"
        self.notes = (f"the segmenter was taught by bundle {self.digest[:12]}, {share}", *known)

    def soft_maps(
        self, pictures: Sequence[LabelledPicture], spec: InputSpec, folder: Path
    ) -> SoftMaps:
        """Let the teacher look at pictures; return a function from a picture to its class maps.

        Args:
            pictures: n pictures to train on.
            spec: input of the student; the maps get its size.
            folder: work folder of this fit; maps that it holds already are taken.

        Raises:
            DataError: a picture cannot be read.
            InferenceError: a class map is not finite; the message names the picture.
        """
        path = folder / MAPS_FILE
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            self._look(pictures, spec, path)
        maps = np.load(path, mmap_mode="r", allow_pickle=False)
        places: Mapping[str, int] = {one.name: number for number, one in enumerate(pictures)}
        return lambda picture: np.asarray(maps[places[picture.name]])

    def _look(self, pictures: Sequence[LabelledPicture], spec: InputSpec, path: Path) -> None:
        """Write the class maps of all pictures; the file has its name once it is whole."""
        detector = open_detector(self._bundle, _EXACT, any_size=True)
        shape = (len(pictures), spec.height, spec.width, len(detector.manifest.classes))
        unfinished = path.with_suffix(WRITING)
        maps = np.lib.format.open_memmap(unfinished, "w+", np.uint8, shape)
        place = 0
        with shown(len(pictures), lambda: place, lambda: 0, work="teacher"):
            for some in in_batches(pictures, _AT_A_TIME):
                maps[place : place + len(some)] = _looked_at(detector, some, spec)
                place += len(some)
        maps.flush()
        unfinished.replace(path)


def _looked_at(detector: Detector, some: Sequence[LabelledPicture], spec: InputSpec) -> Maps:
    """Return the class maps of pictures in 255ths: uint8 (n, spec.height, spec.width, classes)."""
    answers = detector.maps([detector.prepare(one.read()) for one in some])
    classes = len(detector.manifest.classes)  # a map of novelty may follow theirs
    sized = []
    for picture, answer in zip(some, answers[..., :classes], strict=True):
        if not np.isfinite(answer).all():
            raise InferenceError(
                f"{picture.name}: the teacher's answer is not finite; take another bundle"
            )
        resized = cv2.resize(answer, (spec.width, spec.height), interpolation=cv2.INTER_LINEAR)
        sized.append(np.rint(_MOST * resized).reshape(spec.height, spec.width, classes))
    return np.stack(sized).astype(np.uint8)


def _checked(bundle: Bundle, dataset: DataSet, parts: Parts) -> list[str]:
    """Refuse a teacher that was fitted on held-out pictures; return a note if nobody knows.

    Raises:
        DataError: it was.
    """
    path = bundle.folder / SPLIT_NAME
    same = bundle.manifest.training.data_fingerprint == dataset.fingerprint
    if not same or not path.exists():
        note = (
            f"bundle {bundle.digest[:12]} was fitted on other data, or holds no split: whether it "
            "knows held-out pictures was not checked"
        )
        warn(f"data.teacher: {note}")
        return [note]
    own = read_split(path, dataset.pictures)
    learnt = {one.name for one in own.train}
    chosen = learnt | {one.name for one in own.validation}
    seen = [one.name for one in parts.validation if one.name in learnt]
    seen += [one.name for one in parts.test if one.name in chosen]
    if seen:
        raise DataError(
            f"data.teacher: bundle {bundle.digest[:12]} was fitted on {len(seen)} pictures that "
            f"this fit holds out: {listed(seen)}; fit it with the same --split and --fold"
        )
    return []
