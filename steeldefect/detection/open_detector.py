"""From a bundle to a detector that is ready to be asked. No Spark: training opens bundles, too."""

from __future__ import annotations

from steeldefect.bundle.files import Bundle, ModelName
from steeldefect.detection.detector import Detector
from steeldefect.runtimes import RuntimeOptions, open_runtime


def open_detector(bundle: Bundle, options: RuntimeOptions, any_size: bool = False) -> Detector:
    """Open the models of a bundle.

    Raises:
        BundleError: the bundle has no form for what is asked.
        DeviceError: the device is not there, or the runtime does not serve it.
    """
    runtimes = {model: open_runtime(bundle, model, options) for model in bundle.models}
    return Detector(
        bundle.manifest, runtimes.get(ModelName.GATE), runtimes[ModelName.SEGMENTER], any_size
    )
