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
    """Arithmetic inside the models.

    On a GPU: `f32`; `tf32`, convolutions that round float32 to 10 bits of fraction; `bf16`, layers
    in bfloat16 with weights and the last layer in float32. On a CPU: `f32`; with the OpenVINO
    runtime also `bf16` and `int8`.

    `int8`: layers that are not quantised run at bf16 if the CPU has it, else at f32.
    `auto`: on a GPU, tf32 if the GPU has it, else f32. With OpenVINO, the bundle's default, which
    was chosen by measurements at export; f32 if this CPU has no instructions for the default. With
    TensorFlow on a CPU, f32.
    """

    AUTO = "auto"
    F32 = CpuPrecision.F32.value
    TF32 = "tf32"
    BF16 = CpuPrecision.BF16.value
    INT8 = CpuPrecision.INT8.value
