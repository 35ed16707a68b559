"""What may be asked of the runtimes: which library, which processor, which arithmetic."""

from __future__ import annotations

from enum import Enum

from steeldefect.bundle.manifest import CpuPrecision


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
