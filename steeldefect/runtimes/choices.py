"""The choices for running models: runtime, device and precision."""

from __future__ import annotations

from enum import Enum

from steeldefect.bundle.manifest import CpuPrecision


class RuntimeChoice(str, Enum):
    """Library that runs the models. `auto`: TensorFlow on a GPU, OpenVINO on a CPU."""

    AUTO = "auto"
    OPENVINO = "openvino"
    TENSORFLOW = "tensorflow"


class DeviceChoice(str, Enum):
    """Processor that runs the models. `auto`: the GPU that Spark gave the task, else the CPU."""

    AUTO = "auto"
    CPU = "cpu"
    GPU = "gpu"


class Precision(str, Enum):
    """Arithmetic inside the models; `bf16` and `int8` need the OpenVINO runtime on a CPU.

    `int8`: layers that are not quantised run at bf16 if the CPU has it, else at f32.
    `auto`: with OpenVINO, the bundle's default, which was chosen by measurements at export; f32 if
    this CPU has no instructions for the default. With TensorFlow, f32.
    """

    AUTO = "auto"
    F32 = CpuPrecision.F32.value
    BF16 = CpuPrecision.BF16.value
    INT8 = CpuPrecision.INT8.value
