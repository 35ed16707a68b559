"""Open a bundle as a detector that is ready to run. Works without Spark, as training needs."""

from __future__ import annotations

from steeldefect.bundle.files import Bundle, ModelName
from steeldefect.detection.detector import Detector
from steeldefect.runtimes import RuntimeOptions, choose_engine, open_runtimes


def open_detector(bundle: Bundle, options: RuntimeOptions, any_size: bool = False) -> Detector:
    """Choose the engine for this host, and open the models of a bundle.

    Args:
        bundle: the opened bundle.
        options: engine that the settings ask for; `Detector.engine` is the engine that was chosen.
        any_size: true to score pictures of any size, even if the bundle does not admit it.

    Raises:
        BundleError: the bundle lacks the form of a model that the engine needs.
        DeviceError: the device is missing, or the runtime does not support it.
    """
    engine = choose_engine(options, bundle.manifest.compiled)
    runtimes = open_runtimes(bundle, engine)
    return Detector(
        bundle.manifest, runtimes.get(ModelName.GATE), runtimes[ModelName.SEGMENTER], any_size
    )
