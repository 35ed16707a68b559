"""Open a model of a bundle in the runtime of an engine."""

from __future__ import annotations

from pathlib import Path

from steeldefect.bundle.files import Bundle, ModelForm, ModelName
from steeldefect.runtimes.base import Runtime
from steeldefect.runtimes.choices import DeviceChoice, RuntimeChoice
from steeldefect.runtimes.engine import Engine, form_of
from steeldefect.runtimes.shared import SharedGate, SharedSegmenter


def open_runtimes(bundle: Bundle, engine: Engine) -> dict[ModelName, Runtime]:
    """Load and compile all models of a bundle.

    Args:
        bundle: the bundle.
        engine: result of `choose_engine`.

    Raises:
        BundleError: the bundle lacks the form of a model that this engine reads.
        DeviceError: the device is missing.
    """
    if bundle.manifest.shares_network and engine.runtime is RuntimeChoice.OPENVINO:
        return _open_shared(bundle, engine)
    return {model: open_runtime(bundle, model, engine) for model in bundle.models}


def open_runtime(bundle: Bundle, model: ModelName, engine: Engine) -> Runtime:
    """Load and compile one model, which takes pictures.

    If the bundle's gate is shared, its segmenter needs the gate's model, which is loaded too.

    TensorFlow is imported only if it runs the model: the import takes seconds and 300 MB.

    Args:
        bundle: bundle that holds the model.
        model: gate or segmenter.
        engine: result of `choose_engine`.

    Raises:
        BundleError: the bundle lacks the form of the model that this engine reads.
        DeviceError: the device is missing.
    """
    if engine.runtime is RuntimeChoice.OPENVINO:
        if bundle.manifest.shares_network:
            return _open_shared(bundle, engine)[model]
        from steeldefect.runtimes.openvino import OpenVinoRuntime

        engine = engine.of_model(model)
        return OpenVinoRuntime(_path(bundle, model, engine), engine)
    from steeldefect.runtimes.tensorflow import GpuRuntime, TensorFlowRuntime

    kind = GpuRuntime if engine.device is DeviceChoice.GPU else TensorFlowRuntime
    engine = engine.of_model(model)
    return kind(_path(bundle, model, engine), engine, bundle.shared_gate(ModelForm.KERAS))


def _open_shared(bundle: Bundle, engine: Engine) -> dict[ModelName, Runtime]:
    from steeldefect.runtimes.openvino import OpenVinoRuntime

    of_gate = engine.of_model(ModelName.GATE)
    gate = OpenVinoRuntime(_path(bundle, ModelName.GATE, of_gate), of_gate)
    rest = OpenVinoRuntime(_path(bundle, ModelName.SEGMENTER, engine), engine, gate)
    first = SharedGate(gate)
    return {ModelName.GATE: first, ModelName.SEGMENTER: SharedSegmenter(first, rest)}


def _path(bundle: Bundle, model: ModelName, engine: Engine) -> Path:
    """Return the file that a runtime reads.

    Raises:
        BundleError: the bundle lacks this form.
    """
    form = form_of(engine.runtime, engine.precision)
    bundle.require([form])
    return bundle.model_path(model, form)
