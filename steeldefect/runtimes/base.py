"""What a runtime is, and which one serves where."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from steeldefect.bundle.files import ModelForm
from steeldefect.bundle.manifest import Compiled, CpuPrecision
from steeldefect.errors import DeviceError
from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes.cpu import cpu_precisions

CPU_BATCH = 4
"""The most for one call on a CPU, where more only spills the caches; see `cpu_batch`."""

GPU_BATCH = 64
"""The most for one call on a GPU; what its free memory does not hold is halved."""


class RuntimeChoice(str, Enum):
    """Which library runs the models. `auto`: TensorFlow on a GPU, OpenVINO on a CPU."""

    AUTO = "auto"
    OPENVINO = "openvino"
    TENSORFLOW = "tensorflow"


class DeviceChoice(str, Enum):
    """Which processor runs the models. `auto`: the GPU that Spark gave the task, else the CPU."""

    AUTO = "auto"
    CPU = "cpu"
    GPU = "gpu"


class Precision(str, Enum):
    """Arithmetic inside the models; `bf16` and `int8` need the OpenVINO runtime on a CPU.

    `int8`: what is not quantised runs at bf16 where the CPU has it, else at f32.
    `auto`: on OpenVINO what the bundle proved good enough when it was exported, elsewhere f32.
    Where this CPU has no instructions for that, f32 as well.
    """

    AUTO = "auto"
    F32 = CpuPrecision.F32.value
    BF16 = CpuPrecision.BF16.value
    INT8 = CpuPrecision.INT8.value


@dataclass(frozen=True)
class RuntimeOptions:
    """How models are opened.

    Attributes:
        threads: CPU threads for one model; those that Spark gives the task; 0 for all cores.
        batch_size: pictures for each call of the model; None: what suits device, runtime,
            precision and threads, see `resolve`.
        gpu_addresses: the GPUs that Spark gave the task; empty without.
        gpu_memory_mib: that the process may take of its GPU; None: it grows as it needs.
    """

    runtime: RuntimeChoice = RuntimeChoice.AUTO
    device: DeviceChoice = DeviceChoice.AUTO
    precision: Precision = Precision.F32
    threads: int = 1
    batch_size: int | None = None
    gpu_addresses: tuple[str, ...] = ()
    gpu_memory_mib: int | None = None


class Runtime(Protocol):
    """A model that is ready to answer."""

    name: RuntimeChoice
    device: DeviceChoice

    def predict(self, batch: Float32) -> Float32:
        """Run the model.

        Args:
            batch: float32 (n, height, width, channels), any n.

        Returns:
            float32 (n, ...): for a gate (n, 1), for a segmenter (n, height, width, classes).
        """
        ...


def cpu_batch(runtime: RuntimeChoice, precision: Precision, threads: int) -> int:
    """Tell how many pictures suit one call on a CPU.

    OpenVINO's models are compiled for a fixed batch: a last one that is not full costs as much as
    a full one. At f32 they are compiled for one picture on each thread, which is as fast as more
    (a second picture pushes the first one's values out of the core's cache). bf16 and int8 are for
    CPUs that compute them several times as fast as f32; many cores that read all weights for every
    single picture would there wait for memory, so that four pictures share one reading. Keras'
    graphs take any number.

    Args:
        runtime: not `auto`.
        precision: not `auto`.
        threads: of the model; 0 for all cores.
    """
    if runtime is RuntimeChoice.OPENVINO and precision is Precision.F32:
        return min(threads or len(os.sched_getaffinity(0)), CPU_BATCH)
    return CPU_BATCH


def default_precision(compiled: Compiled | None) -> Precision:
    """Tell what `auto` means on OpenVINO; a bundle that says nothing is scored at f32."""
    return Precision.F32 if compiled is None else Precision(compiled.default.value)


def resolve(
    options: RuntimeOptions,
    compiled: Compiled | None = None,
    served: frozenset[CpuPrecision] | None = None,
) -> RuntimeOptions:
    """Replace `auto` by what it means on this host, and refuse what cannot be.

    Args:
        options: as they were set.
        compiled: what the bundle says of its forms for CPUs.
        served: what the CPU has instructions for; None to ask this one.

    Raises:
        DeviceError: the combination does not exist, or bf16 is asked for and the CPU has none.
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
    served = cpu_precisions() if served is None else served
    precision = options.precision
    if precision is Precision.AUTO:
        on_cpu = runtime is RuntimeChoice.OPENVINO
        precision = default_precision(compiled) if on_cpu else Precision.F32
        if CpuPrecision(precision.value) not in served:
            precision = Precision.F32
    if precision is Precision.BF16 and CpuPrecision.BF16 not in served:
        raise DeviceError(
            "precision=bf16, but this CPU has no instructions for it (AVX-512 BF16 or AMX) "
            "and would be slower than at f32; set precision=auto"
        )
    default_batch = (
        GPU_BATCH if device is DeviceChoice.GPU else cpu_batch(runtime, precision, options.threads)
    )
    return replace(
        options,
        runtime=runtime,
        device=device,
        precision=precision,
        batch_size=options.batch_size or default_batch,
    )


def explain(asked: RuntimeOptions, taken: RuntimeOptions, compiled: Compiled | None) -> str:
    """Say in words what runs the models, and why where `auto` chose it.

    Args:
        asked: as they were set, with the GPUs that Spark gave.
        taken: what `resolve` made of them.
        compiled: what the bundle says of its forms for CPUs.
    """
    what = f"{taken.runtime.value} on {taken.device.value} at {taken.precision.value}"
    reasons = []
    if asked.device is DeviceChoice.AUTO:
        if taken.device is DeviceChoice.GPU:
            reasons.append(f"Spark gave the task GPU {', '.join(asked.gpu_addresses)}")
        else:
            unused = " that OpenVINO would run on" if asked.gpu_addresses else ""
            reasons.append(f"the task has no GPU{unused}")
    if asked.precision is Precision.AUTO and taken.runtime is RuntimeChoice.OPENVINO:
        default = default_precision(compiled)
        if taken.precision is default:
            reasons.append(f"{default.value} is the bundle's default")
        else:
            reasons.append(
                f"this CPU has no instructions for {default.value}, the bundle's default"
            )
    return f"{what}: {', '.join(reasons) or 'as it was set'}"


def check_combination(runtime: RuntimeChoice, device: DeviceChoice, precision: Precision) -> None:
    """Refuse settings that no runtime fulfils.

    Raises:
        DeviceError: OpenVINO on a GPU, or TensorFlow at bf16 or int8.
    """
    if device is DeviceChoice.GPU and runtime is RuntimeChoice.OPENVINO:
        raise DeviceError("device gpu is served by runtime tensorflow; set runtime=tensorflow")
    if precision in (Precision.BF16, Precision.INT8) and (
        runtime is RuntimeChoice.TENSORFLOW or device is DeviceChoice.GPU
    ):
        raise DeviceError(
            f"precision {precision.value} is served by runtime openvino on device cpu"
        )


def form_of(runtime: RuntimeChoice, precision: Precision) -> ModelForm:
    """Tell which form of the models a runtime reads at a precision other than `auto`."""
    if runtime is RuntimeChoice.TENSORFLOW:
        return ModelForm.KERAS
    return ModelForm.OPENVINO_INT8 if precision is Precision.INT8 else ModelForm.OPENVINO
