"""The engine: what runs the models of a bundle on this host, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace

from steeldefect.bundle.files import ModelForm, ModelName
from steeldefect.bundle.manifest import Compiled, CpuPrecision, precision_name
from steeldefect.errors import DeviceError
from steeldefect.runtimes.batches import default_batch
from steeldefect.runtimes.by_evidence import Choice
from steeldefect.runtimes.choices import DeviceChoice, Precision, RuntimeChoice
from steeldefect.runtimes.choose_precision import choose_precision
from steeldefect.runtimes.gpu_precision import choose_gpu_precision, why_gpu_precision
from steeldefect.runtimes.gpus import compute_capability


@dataclass(frozen=True)
class RuntimeOptions:
    """The engine that the settings ask for; runtime, device and precision may be `auto`.

    Attributes:
        threads: CPU threads of one model, as many as Spark gives the task; 0 for all cores.
        batch_size: pictures in one call of the model; None for `default_batch`.
        gpu_addresses: GPUs that Spark gave the task; empty if it gave none.
        gpu_memory_mib: limit of the process's GPU memory in MiB; None for as much as needed.
    """

    runtime: RuntimeChoice = RuntimeChoice.AUTO
    device: DeviceChoice = DeviceChoice.AUTO
    precision: Precision = Precision.F32
    threads: int = 1
    batch_size: int | None = None
    gpu_addresses: tuple[str, ...] = ()
    gpu_memory_mib: int | None = None


@dataclass(frozen=True)
class Engine:
    """The engine that runs the models; nothing is `auto`.

    Attributes:
        precision: precision of the segmenter, and of the gate if `gate_precision` is None.
        batch_size: pictures in one call of the model.
        threads, gpu_memory_mib: see `RuntimeOptions`.
        reason: why `auto` became these values, in words.
        gate_precision: precision of the gate, if it is another one.
    """

    runtime: RuntimeChoice
    device: DeviceChoice
    precision: Precision
    batch_size: int
    threads: int = 1
    gpu_memory_mib: int | None = None
    reason: str = "as it was set"
    gate_precision: Precision | None = None

    @property
    def precisions(self) -> str:
        """The precision of both models as text: `bf16`, or `int8+bf16` (gate + segmenter)."""
        gate = self.precision if self.gate_precision is None else self.gate_precision
        return precision_name(gate.value, self.precision.value)

    def of_model(self, model: ModelName) -> Engine:
        """Return the engine of one model; its `precision` is that of the model."""
        if model is ModelName.SEGMENTER or self.gate_precision is None:
            return self
        return replace(self, precision=self.gate_precision)

    def __str__(self) -> str:
        """Return the engine and its reason as text, for the table `runs`."""
        return f"{self.runtime.value} on {self.device.value} at {self.precisions}: {self.reason}"


def choose_engine(
    options: RuntimeOptions,
    compiled: Compiled | None = None,
    served: frozenset[CpuPrecision] | None = None,
) -> Engine:
    """Return the engine on this host, with `auto` replaced by what it means here.

    Args:
        options: the settings, with the GPUs that Spark gave the task.
        compiled: the bundle's forms for CPUs; None if its manifest lacks them.
        served: precisions that the CPU has instructions for; None for this CPU.

    Raises:
        DeviceError: no runtime supports the combination, or the settings ask for tf32 or bf16 and
            the GPU or CPU has no instructions for it.
    """
    device = options.device
    if device is DeviceChoice.AUTO:
        wants_gpu = options.gpu_addresses and options.runtime is not RuntimeChoice.OPENVINO
        device = DeviceChoice.GPU if wants_gpu else DeviceChoice.CPU
    runtime = options.runtime
    if runtime is RuntimeChoice.AUTO:
        on_gpu = device is DeviceChoice.GPU
        runtime = RuntimeChoice.TENSORFLOW if on_gpu else RuntimeChoice.OPENVINO
    check_combination(runtime, device, options.precision)
    if device is DeviceChoice.GPU:
        chosen = _on_gpu(options.precision)
    else:
        chosen = choose_precision(options.precision, runtime, compiled, served)
    precision = chosen.segmenter
    reasons = [*_why_device(options, device), *filter(None, [chosen.reason])]
    return Engine(
        runtime=runtime,
        device=device,
        precision=precision,
        batch_size=options.batch_size or default_batch(runtime, device, precision, options.threads),
        threads=options.threads,
        gpu_memory_mib=options.gpu_memory_mib,
        reason=", ".join(reasons) or "as it was set",
        gate_precision=None if chosen.gate is precision else chosen.gate,
    )


def _on_gpu(asked: Precision) -> Choice:
    """Return the precision on the first visible GPU, and why `auto` became it."""
    if asked is Precision.F32:  # every GPU has it
        return Choice(asked, asked)
    found = compute_capability()
    precision = choose_gpu_precision(asked, found)
    return Choice(precision, precision, ", ".join(why_gpu_precision(asked, found)))


def _why_device(options: RuntimeOptions, device: DeviceChoice) -> list[str]:
    if options.device is not DeviceChoice.AUTO:
        return []
    if device is DeviceChoice.GPU:
        return [f"Spark gave the task GPU {', '.join(options.gpu_addresses)}"]
    unused = " that OpenVINO would run on" if options.gpu_addresses else ""
    return [f"the task has no GPU{unused}"]


def check_combination(runtime: RuntimeChoice, device: DeviceChoice, precision: Precision) -> None:
    """Check that a runtime supports the combination.

    While a runtime or device is `auto`, it is one that supports the precision, if there is one.

    Raises:
        DeviceError: OpenVINO on a GPU, TensorFlow on a CPU at another precision than f32, int8 on
            a GPU, or tf32 on a CPU.
    """
    if device is DeviceChoice.GPU and runtime is RuntimeChoice.OPENVINO:
        raise DeviceError("device gpu is served by runtime tensorflow; set runtime=tensorflow")
    on_gpu = device is not DeviceChoice.CPU and runtime is not RuntimeChoice.OPENVINO
    by_openvino = device is not DeviceChoice.GPU and runtime is not RuntimeChoice.TENSORFLOW
    if precision is Precision.TF32 and not on_gpu:
        raise DeviceError("precision tf32 is served by runtime tensorflow on device gpu")
    if precision is Precision.INT8 and not by_openvino:
        raise DeviceError("precision int8 is served by runtime openvino on device cpu")
    if precision is Precision.BF16 and not (on_gpu or by_openvino):
        raise DeviceError(
            "precision bf16 is served by runtime openvino on device cpu, and by runtime "
            "tensorflow on device gpu"
        )


def form_of(runtime: RuntimeChoice, precision: Precision) -> ModelForm:
    """Return the form of the models that a runtime reads at a precision (not `auto`)."""
    if runtime is RuntimeChoice.TENSORFLOW:
        return ModelForm.KERAS
    return ModelForm.OPENVINO_INT8 if precision is Precision.INT8 else ModelForm.OPENVINO
