"""From a bundle to a detector that is ready to be asked. No Spark: training opens bundles, too."""

from __future__ import annotations

from steeldefect.bundle.files import Bundle, ModelName
from steeldefect.detection.detector import Detector
from steeldefect.runtimes import RuntimeOptions, choose_engine, open_runtime


def open_detector(bundle: Bundle, options: RuntimeOptions, any_size: bool = False) -> Detector:
    """Choose the engine for this host, and open the models of a bundle.

    Args:
        bundle: opened.
        options: what is asked for; `Detector.engine` says what it became.
        any_size: score pictures of sizes that the bundle was not trained on, too.

    Raises:
        BundleError: the bundle has no form for what is asked.
        DeviceError: the device is not there, or the runtime does not serve it.
    """
    engine = choose_engine(options, bundle.manifest.compiled)
    runtimes = {model: open_runtime(bundle, model, engine) for model in bundle.models}
    return Detector(
        bundle.manifest, runtimes.get(ModelName.GATE), runtimes[ModelName.SEGMENTER], any_size
    )
