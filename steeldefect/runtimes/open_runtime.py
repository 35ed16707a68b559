"""Open a model of a bundle in the runtime of an engine."""

from __future__ import annotations

from steeldefect.bundle.files import Bundle, ModelName
from steeldefect.runtimes.base import Runtime
from steeldefect.runtimes.choices import DeviceChoice, RuntimeChoice
from steeldefect.runtimes.engine import Engine, form_of


def open_runtime(bundle: Bundle, model: ModelName, engine: Engine) -> Runtime:
    """Load and compile one model.

    TensorFlow is imported only if it runs the model: the import takes seconds and 300 MB.

    Args:
        bundle: bundle that holds the model.
        model: gate or segmenter.
        engine: result of `choose_engine`.

    Raises:
        BundleError: the bundle lacks the form of the model that this engine reads.
        DeviceError: the device is missing.
    """
    engine = engine.of_model(model)
    form = form_of(engine.runtime, engine.precision)
    bundle.require([form])
    path = bundle.model_path(model, form)
    if engine.runtime is RuntimeChoice.OPENVINO:
        from steeldefect.runtimes.openvino import OpenVinoRuntime

        return OpenVinoRuntime(path, engine)
    from steeldefect.runtimes.tensorflow import GpuRuntime, TensorFlowRuntime

    kind = GpuRuntime if engine.device is DeviceChoice.GPU else TensorFlowRuntime
    return kind(path, engine)
