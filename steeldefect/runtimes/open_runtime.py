"""Opens a model of a bundle in the runtime that the options name."""

from __future__ import annotations

from steeldefect.bundle.files import Bundle, ModelName
from steeldefect.runtimes.base import Runtime, RuntimeChoice, RuntimeOptions, form_of, resolve


def open_runtime(bundle: Bundle, model: ModelName, options: RuntimeOptions) -> Runtime:
    """Load and compile one model.

    TensorFlow is imported only where it runs: importing it takes seconds and 300 MB.

    Raises:
        BundleError: the bundle has no form for what is asked.
        DeviceError: the device is not there, or the runtime does not serve it.
    """
    resolved = resolve(options, bundle.manifest.compiled)
    form = form_of(resolved.runtime, resolved.precision)
    bundle.require([form])
    path = bundle.model_path(model, form)
    if resolved.runtime is RuntimeChoice.OPENVINO:
        from steeldefect.runtimes.openvino import OpenVinoRuntime

        return OpenVinoRuntime(path, resolved)
    from steeldefect.runtimes.tensorflow import TensorFlowRuntime

    return TensorFlowRuntime(path, resolved)
