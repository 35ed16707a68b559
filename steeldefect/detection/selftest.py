"""The self-test of a bundle: do its compiled forms still answer as the Keras models did?

Hashes show that no byte has changed. They do not show that this CPU, with the versions installed
here, computes the same as the CPU on which the bundle was exported. So the bundle carries
`selftest.json`. It holds a seed, from which pictures are generated (noise with bright and dark
bars); the answers of the Keras models to these pictures; and the largest difference from them that
is allowed for each compiled form.

A model's answer is reduced to a few numbers for each picture: for the gate, its probability; for
each class map, the means over a coarse grid of cells and the pixels at the cells' centres. The
difference of two answers is the root mean square difference of all these numbers. For bf16 and
int8, the allowed difference is the one measured at export, times a margin: single pixels beside an
outline may differ much.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from steeldefect.bundle.files import Bundle, ModelName, input_spec
from steeldefect.bundle.manifest import CpuPrecision, Manifest
from steeldefect.errors import BundleError
from steeldefect.pictures.preprocessing import Float32, Gray, prepare
from steeldefect.runtimes import (
    DeviceChoice,
    Precision,
    Runtime,
    RuntimeChoice,
    RuntimeOptions,
    choose_engine,
    cpu_precisions,
    open_runtime,
)

SELFTEST_NAME = "selftest.json"

_SEED = 20260
_PICTURES = 8
_CELLS = (4, 8)  # rows and columns of the grid
_F32_TOLERANCE = 1e-3
_LEAST_TOLERANCE = 5e-3  # for bf16 and int8: CPUs round differently
_MARGIN = 3.0

Float64 = npt.NDArray[np.float64]
Runtimes = Mapping[ModelName, Runtime]


class SelfTest(BaseModel):
    """The contents of `selftest.json`.

    `answers`: answers of the Keras models, a list of numbers for each picture (see the module).
    `tolerances`: largest difference allowed for each compiled form that ran at export.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    pictures: int
    answers: dict[ModelName, list[list[float]]]
    tolerances: dict[CpuPrecision, dict[ModelName, float]]


def write_selftest(
    folder: Path, manifest: Manifest, keras: Runtimes, compiled: Mapping[CpuPrecision, Runtimes]
) -> None:
    """Write `selftest.json` into the folder of a bundle that is not sealed yet.

    Args:
        folder: folder of the bundle.
        manifest: manifest of the bundle, with picture sizes and preprocessing.
        keras: the Keras models.
        compiled: the compiled forms that run on this CPU.

    Raises:
        BundleError: the f32 form differs from Keras by more than f32 arithmetic explains.
    """
    pictures = make_pictures(manifest, _SEED, _PICTURES)
    answers = {name: _answer(model, name, manifest, pictures) for name, model in keras.items()}
    tolerances: dict[CpuPrecision, dict[ModelName, float]] = {}
    for precision, models in compiled.items():
        tolerances[precision] = {}
        for name, model in models.items():
            found = _difference(_answer(model, name, manifest, pictures), answers[name])
            allowed = _tolerance(precision, found)
            _refuse_beyond(allowed, found, name, precision, str(folder))
            tolerances[precision][name] = allowed
    test = SelfTest(
        seed=_SEED,
        pictures=_PICTURES,
        answers={name: answer.round(7).tolist() for name, answer in answers.items()},
        tolerances=tolerances,
    )
    (folder / SELFTEST_NAME).write_text(test.model_dump_json() + "\n", encoding="utf-8")


def check_selftest(bundle: Bundle) -> None:
    """Check the answers of every compiled form that this CPU supports.

    This takes seconds: each form of each model is compiled, and runs on a few pictures.

    Args:
        bundle: the whole bundle (`open_bundle` without `forms`).

    Raises:
        BundleError: the bundle has no self-test, a form cannot run, or a form differs too much from
            Keras; the message names model, form and difference.
    """
    test = _read(bundle)
    pictures = make_pictures(bundle.manifest, test.seed, test.pictures)
    for precision, tolerances in test.tolerances.items():
        if precision is CpuPrecision.BF16 and precision not in cpu_precisions():
            continue
        options = RuntimeOptions(
            runtime=RuntimeChoice.OPENVINO,
            device=DeviceChoice.CPU,
            precision=Precision(precision.value),
            threads=0,
        )
        for name, tolerance in tolerances.items():
            try:
                runtime = open_runtime(bundle, name, choose_engine(options))
                answer = _answer(runtime, name, bundle.manifest, pictures)
            except RuntimeError as error:  # from OpenVINO; many lines
                raise BundleError(
                    f"bundle {bundle.folder}: self-test: the {name.value}'s {precision.value} form "
                    f"cannot be run: {' '.join(str(error).split())}; export the bundle again"
                ) from None
            found = _difference(answer, np.array(test.answers[name]))
            _refuse_beyond(tolerance, found, name, precision, str(bundle.folder))


def make_pictures(manifest: Manifest, seed: int, count: int) -> list[Gray]:
    """Generate pictures of a size that the bundle scores: noise with bright and dark bars.

    The generator is `RandomState`: NumPy guarantees the same numbers in every version only for it.

    Returns:
        `count` pictures uint8 (height, width), from dark to light, from smooth to noisy, and from
        empty to crowded.
    """
    random = np.random.RandomState(seed)
    height, width = manifest.picture_sizes.height[0], manifest.picture_sizes.width[0]
    return [_picture(random, (height, width), number, count) for number in range(count)]


def _picture(
    random: np.random.RandomState, shape: tuple[int, int], number: int, count: int
) -> Gray:
    level = (number + 1) / count
    picture = int(150 * level) + random.randint(0, 4 + int(60 * level), shape)
    for _ in range(3 * number):
        (top, left), gray = random.randint((0, 0), shape), random.randint(0, 256)
        longest = [max(side // (2 + number), 2) for side in shape]
        down, right = random.randint((1, 1), [side + 1 for side in longest])
        picture[top : top + down, left : left + right] = gray
    return picture.astype(np.uint8)


def _answer(model: Runtime, name: ModelName, manifest: Manifest, pictures: list[Gray]) -> Float64:
    """Compute the reduced answer of one model: float64 (pictures, numbers)."""
    spec = input_spec(manifest, name)
    answer = model.predict(np.stack([prepare(picture, spec) for picture in pictures]))
    return _summary(answer).astype(np.float64)


def _summary(answer: Float32) -> Float32:
    """Compute float32 (n, numbers) from a gate's answers (n, 1), or maps (n, h, w, classes)."""
    if answer.ndim == 2:
        return answer
    count, height, width, _ = answer.shape
    rows, columns = (
        np.unique(np.arange(cells) * size // cells)
        for cells, size in zip(_CELLS, (height, width), strict=True)
    )
    sums = np.add.reduceat(np.add.reduceat(answer, rows, axis=1), columns, axis=2)
    pixels = np.outer(np.diff(rows, append=height), np.diff(columns, append=width))
    means = sums / pixels[np.newaxis, :, :, np.newaxis]
    middle_rows = rows + np.diff(rows, append=height) // 2
    middle_columns = columns + np.diff(columns, append=width) // 2
    centres = answer[:, middle_rows][:, :, middle_columns]
    flat = [part.reshape(count, -1) for part in (means, centres)]
    return np.concatenate(flat, axis=1).astype(np.float32)


def _difference(answer: Float64, expected: Float64) -> float:
    """Compute the root mean square; inf if the shapes differ, NaN if an answer is not finite."""
    if answer.shape != expected.shape:
        return float("inf")
    return float(np.sqrt(np.mean((answer - expected) ** 2)))


def _tolerance(precision: CpuPrecision, measured: float) -> float:
    if precision is CpuPrecision.F32:
        return _F32_TOLERANCE
    return round(max(_LEAST_TOLERANCE, _MARGIN * measured), 4)


def _refuse_beyond(
    tolerance: float, found: float, name: ModelName, precision: CpuPrecision, where: str
) -> None:
    if not found <= tolerance:  # NaN is refused as well
        raise BundleError(
            f"bundle {where}: self-test: the {name.value}'s {precision.value} form differs from "
            f"Keras by {found:.2g}, at most {tolerance:.2g} is allowed; export the bundle again, "
            "with the versions that are installed here"
        )


def _read(bundle: Bundle) -> SelfTest:
    path = bundle.folder / SELFTEST_NAME
    if SELFTEST_NAME not in bundle.manifest.files or not path.is_file():
        raise BundleError(
            f"bundle {bundle.folder}: it has no {SELFTEST_NAME}; export it again with this version"
        )
    try:
        return SelfTest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise BundleError(
            f"bundle {bundle.folder}: {SELFTEST_NAME}: {first['msg']}; export it again"
        ) from None
