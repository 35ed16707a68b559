"""What a runtime is, and which one serves where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from steeldefect.bundle import ModelForm
from steeldefect.errors import DeviceError
from steeldefect.preprocessing import Float32


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
    """Arithmetic inside the models. `bf16` needs the OpenVINO runtime."""

    F32 = "f32"
    BF16 = "bf16"


@dataclass(frozen=True)
class RuntimeOptions:
    """How models are opened.

    Attributes:
        threads: CPU threads for one model; those that Spark gives the task.
        batch_size: pictures for each call of the model.
        gpu_addresses: the GPUs that Spark gave the task; empty without.
    """

    runtime: RuntimeChoice = RuntimeChoice.AUTO
    device: DeviceChoice = DeviceChoice.AUTO
    precision: Precision = Precision.F32
    threads: int = 1
    batch_size: int = 4
    gpu_addresses: tuple[str, ...] = ()


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


def resolve(options: RuntimeOptions) -> RuntimeOptions:
    """Replace `auto` by what it means on this host, and refuse what cannot be.

    Raises:
        DeviceError: a GPU is asked for and none was assigned, or the combination does not exist.
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
    return replace(options, runtime=runtime, device=device)


def check_combination(runtime: RuntimeChoice, device: DeviceChoice, precision: Precision) -> None:
    """Refuse settings that no runtime fulfils.

    Raises:
        DeviceError: OpenVINO on a GPU, or TensorFlow at bf16.
    """
    if device is DeviceChoice.GPU and runtime is RuntimeChoice.OPENVINO:
        raise DeviceError("device gpu is served by runtime tensorflow; set runtime=tensorflow")
    if precision is Precision.BF16 and (
        runtime is RuntimeChoice.TENSORFLOW or device is DeviceChoice.GPU
    ):
        raise DeviceError("precision bf16 is served by runtime openvino on device cpu")


def form_of(runtime: RuntimeChoice) -> ModelForm:
    """Tell which form of the models a runtime reads."""
    return ModelForm.KERAS if runtime is RuntimeChoice.TENSORFLOW else ModelForm.OPENVINO
