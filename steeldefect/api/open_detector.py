"""Open the models of a bundle in this process, without Spark and without tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from steeldefect.api.find_in_batches import BatchFinder
from steeldefect.api.picture_reader import Picture, PictureReader
from steeldefect.api.picture_result import PictureResult
from steeldefect.bundle.fetch import fetch_bundle
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector as open_models
from steeldefect.settings import GivenSettings, ScoreSettings, settings_from, validate


def open_detector(
    bundle: str | Path,
    *,
    device: str | None = None,
    precision: str | None = None,
    threads: int = 0,
    any_size: bool | None = None,
    settings: GivenSettings = None,
) -> PictureDetector:
    """Open the models of a bundle in this process.

    Args:
        bundle: address of the bundle: a folder, `s3://bucket/prefix`, or an alias of a registry.
        device: "cpu", "gpu" or "auto"; "auto" is the CPU, because no Spark assigns a GPU here.
            None: the device of `settings`.
        precision: "f32", "tf32" (GPUs), "bf16", "int8" (CPUs) or "auto", the bundle's default on a
            CPU. None: the precision of `settings`.
        threads: number of CPU threads of a model; 0 for all cores.
        any_size: whether pictures are scored whose size the models were not trained on. None: as
            in `settings`.
        settings: settings (S3, trusted keys, limits of a picture and others): `ScoreSettings`, a
            mapping, or the path of a YAML file.

    Raises:
        SettingsError: a setting is wrong.
        BundleError: the bundle is missing, altered, not signed with a trusted key, or has no form
            for this precision.
        DeviceError: the device is not available.

    Example:
        >>> import steeldefect
        >>> detector = steeldefect.open_detector("demo/bundle")
        >>> result = detector.find("demo/archive/images/coil_001-camera_1-frame_0002.jpg")
        >>> result.verdict
        'defect'
        >>> result.findings[0].mask().shape == (result.height, result.width)
        True
    """
    asked = {"device": device, "precision": precision, "any_picture_size": any_size}
    stated = {name: value for name, value in asked.items() if value is not None}
    whole = settings_from(settings)
    if stated:
        whole = validate(ScoreSettings, whole.model_dump() | stated, "settings")
    fetched = fetch_bundle(str(bundle), whole.s3, whole.trusted_keys)
    models = open_models(fetched, whole.runtime_options(threads), whole.any_picture_size)
    return PictureDetector(fetched.digest, models, whole)


class PictureDetector:
    """The opened models of one bundle; see `open_detector`. Threads may share a detector.

    Attributes:
        bundle: digest of the bundle.
        engine: runtime, device and precision that run the models, and the reason, as text.
        classes: names of the defect classes, by class id.
    """

    def __init__(self, bundle: str, models: Detector, settings: ScoreSettings) -> None:
        """Store the opened models; call `open_detector` instead."""
        self.bundle = bundle
        self.engine = str(models.engine)
        self.classes = {one.id: one.name for one in models.manifest.outlined_classes}
        self._finder = BatchFinder(models)
        self._reader = PictureReader(settings)
        self._threads = settings.fetch_threads

    def find(self, picture: Picture) -> PictureResult:
        """Find the defects of one picture.

        Args:
            picture: path, `s3://` address, bytes of a picture file, or pixels: uint8 (H, W), or
                RGB uint8 (H, W, 3).

        Raises:
            PictureError: the picture cannot be read or decoded, or has a size that is not scored.
            TypeError: `picture` has another type.
        """
        prepared = self._finder.prepared(self._reader.read(picture))
        [result] = self._finder.results_of_batch([_name(picture)], [prepared])
        if result.error is not None:
            raise result.error
        return result

    def find_many(self, pictures: Iterable[Picture]) -> Iterator[PictureResult]:
        """Find the defects of many pictures: threads read ahead, the models run on batches.

        Args:
            pictures: iterable of any length; see `find` for the forms of a picture.

        Yields:
            A result for each picture, in their order. If a picture cannot be scored, its result
            holds the error, and the other pictures are still scored.

        Raises:
            TypeError: a picture has a type that `find` does not take.

        Example:
            >>> import steeldefect
            >>> from pathlib import Path
            >>> detector = steeldefect.open_detector("demo/bundle")
            >>> strips = sorted(Path("demo/archive/images").glob("*.jpg"))
            >>> results = list(detector.find_many(strips))
            >>> len(results) == len(strips)
            True
        """
        return self._finder.results(pictures, self._reader.read, _name, self._threads)


def _name(picture: Picture) -> str | None:
    return os.fspath(picture) if isinstance(picture, str | Path) else None
