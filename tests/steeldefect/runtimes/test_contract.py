"""The contract of all runtimes, tested on OpenVINO and TensorFlow."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.samples import HEIGHT, WIDTH, both_picture, bright_picture, plain_picture

from steeldefect.bundle.files import Bundle, ModelForm, ModelName
from steeldefect.bundle.manifest import Compiled, CpuPrecision
from steeldefect.errors import BundleError, DeviceError
from steeldefect.pictures.preprocessing import Float32, prepare
from steeldefect.runtimes import (
    DeviceChoice,
    Precision,
    Runtime,
    RuntimeChoice,
    RuntimeOptions,
    choose_engine,
    cpu_precisions,
    form_of,
    open_runtime,
)
from steeldefect.runtimes.engine import check_combination

BATCH = 4
# 0 threads: all cores. TensorFlow already ran in this process, and keeps its first setting.
OPTIONS = RuntimeOptions(device=DeviceChoice.CPU, threads=0, batch_size=BATCH)
RUNTIMES = (RuntimeChoice.OPENVINO, RuntimeChoice.TENSORFLOW)

Opened = dict[tuple[RuntimeChoice, ModelName], Runtime]


def opened_as(bundle: Bundle, model: ModelName, options: RuntimeOptions) -> Runtime:
    return open_runtime(bundle, model, choose_engine(options, bundle.manifest.compiled))


@pytest.fixture(scope="module")
def opened(rule_bundle: Bundle) -> Opened:
    return {
        (runtime, model): opened_as(rule_bundle, model, replace(OPTIONS, runtime=runtime))
        for runtime in RUNTIMES
        for model in ModelName
    }


@pytest.fixture(scope="module")
def batch(rule_bundle: Bundle) -> Float32:
    kinds = (plain_picture, bright_picture, both_picture)
    pictures = [kinds[number % 3](number) for number in range(2 * BATCH + 1)]
    spec = rule_bundle.manifest.segmenter.input
    return np.stack([prepare(picture, spec) for picture in pictures])


every_runtime = pytest.mark.parametrize("runtime", RUNTIMES)
every_model = pytest.mark.parametrize("model", list(ModelName))
ANSWERS = {ModelName.GATE: (1,), ModelName.SEGMENTER: (HEIGHT, WIDTH, 2)}


@every_runtime
@every_model
@pytest.mark.parametrize("count", [1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 1])
def test_any_number_of_pictures_is_answered(
    opened: Opened, batch: Float32, runtime: RuntimeChoice, model: ModelName, count: int
) -> None:
    answer = opened[runtime, model].predict(batch[:count])
    assert answer.dtype == np.float32
    assert answer.shape == (count, *ANSWERS[model])
    assert (answer >= 0).all()
    assert (answer <= 1).all()


@every_model
@pytest.mark.parametrize("count", [1, BATCH, 2 * BATCH + 1])
def test_all_runtimes_give_the_same_answers(
    opened: Opened, batch: Float32, model: ModelName, count: int
) -> None:
    one, other = (opened[runtime, model].predict(batch[:count]) for runtime in RUNTIMES)
    assert np.abs(one - other).max() <= 1e-5


@every_runtime
@every_model
def test_an_answer_does_not_depend_on_its_batch(
    opened: Opened, batch: Float32, runtime: RuntimeChoice, model: ModelName
) -> None:
    whole = opened[runtime, model].predict(batch)
    alone = [opened[runtime, model].predict(batch[one : one + 1])[0] for one in range(len(batch))]
    assert np.abs(whole - np.stack(alone)).max() <= 1e-6


@every_runtime
def test_an_answer_stays_what_it_was(
    opened: Opened, batch: Float32, runtime: RuntimeChoice
) -> None:
    segmenter = opened[runtime, ModelName.SEGMENTER]
    first = segmenter.predict(batch[2:3])
    kept = first.copy()
    segmenter.predict(batch[0:1])
    assert np.array_equal(first, kept), "a later answer may not overwrite an earlier one"


@every_runtime
def test_a_batch_may_be_any_view_and_is_left_as_it_is(
    opened: Opened, batch: Float32, runtime: RuntimeChoice
) -> None:
    segmenter = opened[runtime, ModelName.SEGMENTER]
    kept = batch.copy()
    every_second = segmenter.predict(batch[::2])  # not contiguous
    assert np.array_equal(batch, kept)
    assert np.array_equal(every_second, segmenter.predict(batch[::2].copy()))


@every_runtime
def test_the_answers_follow_the_rule(
    opened: Opened, batch: Float32, runtime: RuntimeChoice
) -> None:
    gate = opened[runtime, ModelName.GATE].predict(batch)[:, 0]
    assert (gate[0::3] < 0.01).all()  # plain
    assert (gate[1::3] > 0.99).all()  # bright
    maps = opened[runtime, ModelName.SEGMENTER].predict(batch)
    for map_, picture in zip(maps, batch, strict=True):
        assert np.array_equal(map_[:, :, 0] > 0.5, picture[:, :, 0] > 0.8)
        assert np.array_equal(map_[:, :, 1] > 0.5, picture[:, :, 0] < 0.2)


@every_runtime
def test_a_runtime_says_what_it_is(opened: Opened, runtime: RuntimeChoice) -> None:
    gate = opened[runtime, ModelName.GATE]
    assert gate.engine.runtime is runtime
    assert gate.engine.device is DeviceChoice.CPU


@pytest.mark.parametrize("precision", [Precision.BF16, Precision.INT8])
def test_less_exact_arithmetic_is_close(
    int8_bundle: Bundle, opened: Opened, batch: Float32, precision: Precision
) -> None:
    if precision is Precision.BF16 and CpuPrecision.BF16 not in cpu_precisions():
        pytest.skip("this CPU has no bf16")
    options = replace(OPTIONS, runtime=RuntimeChoice.OPENVINO, precision=precision)
    rough = opened_as(int8_bundle, ModelName.SEGMENTER, options).predict(batch)
    full = opened[RuntimeChoice.OPENVINO, ModelName.SEGMENTER].predict(batch)
    assert rough.dtype == np.float32
    assert (rough.round() == full.round()).mean() > 0.999


def test_int8_reads_its_own_form(int8_bundle: Bundle, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(int8_bundle.folder, tmp_path / "copied"))
    bundle = replace(int8_bundle, folder=copied)
    shutil.rmtree(copied / "openvino")
    options = replace(OPTIONS, runtime=RuntimeChoice.OPENVINO)
    opened_as(bundle, ModelName.GATE, replace(options, precision=Precision.INT8))
    with pytest.raises(RuntimeError, match=r"openvino/gate\.xml"):
        opened_as(bundle, ModelName.GATE, replace(options, precision=Precision.F32))


def test_a_bundle_without_int8_says_so(rule_bundle: Bundle) -> None:
    options = replace(OPTIONS, precision=Precision.INT8)
    with pytest.raises(BundleError, match=r"has no openvino_int8/gate\.xml; set precision=auto"):
        opened_as(rule_bundle, ModelName.GATE, options)


def test_a_gpu_that_is_not_there_is_an_error(rule_bundle: Bundle) -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    with pytest.raises(DeviceError, match="device=gpu, but TensorFlow sees no GPU"):
        opened_as(rule_bundle, ModelName.GATE, replace(OPTIONS, device=DeviceChoice.GPU))


def test_tensorflow_keeps_to_the_threads_it_began_with(rule_bundle: Bundle) -> None:
    options = replace(OPTIONS, runtime=RuntimeChoice.TENSORFLOW, threads=7)
    with pytest.raises(DeviceError, match=r"TensorFlow already runs .* another number of threads"):
        opened_as(rule_bundle, ModelName.GATE, options)


A, C, G = DeviceChoice.AUTO, DeviceChoice.CPU, DeviceChoice.GPU
EVERYTHING = frozenset(CpuPrecision)
WITHOUT_BF16 = EVERYTHING - {CpuPrecision.BF16}
PLAIN = frozenset({CpuPrecision.F32})

AUTO, OV, TF = RuntimeChoice.AUTO, RuntimeChoice.OPENVINO, RuntimeChoice.TENSORFLOW


@pytest.mark.parametrize(
    ("runtime", "device", "gpus", "expected"),
    [
        (AUTO, A, (), (OV, C)),
        (AUTO, A, ("0",), (TF, G)),
        (AUTO, C, (), (OV, C)),
        (AUTO, C, ("0",), (OV, C)),
        (AUTO, G, ("0",), (TF, G)),
        (AUTO, G, (), (TF, G)),  # and TensorFlow will find none
        (OV, A, (), (OV, C)),
        (OV, A, ("0",), (OV, C)),
        (OV, C, (), (OV, C)),
        (TF, A, (), (TF, C)),
        (TF, A, ("0",), (TF, G)),
        (TF, C, ("0",), (TF, C)),
        (TF, G, ("0",), (TF, G)),
    ],
)
def test_what_auto_means(
    runtime: RuntimeChoice,
    device: DeviceChoice,
    gpus: tuple[str, ...],
    expected: tuple[RuntimeChoice, DeviceChoice],
) -> None:
    options = RuntimeOptions(runtime, device, threads=3, batch_size=5, gpu_addresses=gpus)
    engine = choose_engine(options)
    assert (engine.runtime, engine.device) == expected
    assert (engine.threads, engine.batch_size, engine.precision) == (3, 5, Precision.F32)


REFUSED = {
    **{(OV, G, one): "device gpu is served by runtime tensorflow" for one in Precision},
    **{
        (*place, Precision.INT8): "precision int8 is served by runtime openvino on device cpu"
        for place in ((TF, A), (TF, C), (TF, G), (AUTO, G))
    },
    (TF, C, Precision.BF16): "precision bf16 is served by runtime openvino on device cpu, and by",
    **{
        (*place, Precision.TF32): "precision tf32 is served by runtime tensorflow on device gpu"
        for place in ((OV, A), (OV, C), (TF, C), (AUTO, C))
    },
}


@pytest.mark.parametrize("combination", list(product(RuntimeChoice, DeviceChoice, Precision)))
def test_which_combinations_exist(combination: Any) -> None:
    if combination in REFUSED:
        with pytest.raises(DeviceError, match=REFUSED[combination]):
            check_combination(*combination)
    else:
        check_combination(*combination)


def test_int8_on_a_gpu_that_auto_chose_is_refused() -> None:
    options = RuntimeOptions(AUTO, A, Precision.INT8, gpu_addresses=("0",))
    with pytest.raises(DeviceError, match="precision int8"):
        choose_engine(options)


@pytest.mark.parametrize(
    ("runtime", "precision"), [(AUTO, Precision.TF32), (TF, Precision.TF32), (TF, Precision.BF16)]
)
def test_a_precision_of_gpus_is_refused_once_there_is_none(
    runtime: RuntimeChoice, precision: Precision
) -> None:
    with pytest.raises(DeviceError, match=f"precision {precision.value} is served by"):
        choose_engine(RuntimeOptions(runtime, A, precision))


@pytest.mark.parametrize(
    ("default", "precision", "served", "expected"),
    [
        (None, "auto", EVERYTHING, "f32"),  # a bundle without a default
        ("f32", "auto", EVERYTHING, "f32"),
        ("bf16", "auto", EVERYTHING, "bf16"),
        ("bf16", "auto", WITHOUT_BF16, "f32"),  # never by emulation
        ("int8", "auto", WITHOUT_BF16, "int8"),
        ("int8", "auto", PLAIN, "f32"),  # slow, and may saturate
        ("int8", "int8", PLAIN, "int8"),  # runs if the settings ask for it
        ("int8", "bf16", EVERYTHING, "bf16"),
        ("bf16", "int8", EVERYTHING, "int8"),
        ("int8", "f32", EVERYTHING, "f32"),
    ],
)
def test_what_auto_precision_means(
    default: str | None, precision: str, served: frozenset[CpuPrecision], expected: str
) -> None:
    compiled = None
    if default is not None:
        compiled = Compiled(default=CpuPrecision(default), reason="", forms=[])
    options = RuntimeOptions(OV, C, Precision(precision), batch_size=BATCH)
    engine = choose_engine(options, compiled, served)
    assert engine.precision is Precision(expected)
    assert (engine.runtime, engine.device, engine.batch_size) == (OV, C, BATCH)


def test_auto_precision_is_f32_in_tensorflow_on_a_cpu() -> None:
    compiled = Compiled(default=CpuPrecision.INT8, reason="", forms=[])
    options = RuntimeOptions(TF, C, Precision.AUTO)
    assert choose_engine(options, compiled).precision is Precision.F32


def test_bf16_that_is_asked_for_is_never_emulated() -> None:
    options = RuntimeOptions(OV, C, Precision.BF16)
    with pytest.raises(DeviceError, match=r"this CPU has no instructions for it.* precision=auto"):
        choose_engine(options, None, PLAIN)


@pytest.mark.parametrize(
    ("runtime", "precision", "form"),
    [
        (OV, Precision.F32, ModelForm.OPENVINO),
        (OV, Precision.BF16, ModelForm.OPENVINO),
        (OV, Precision.INT8, ModelForm.OPENVINO_INT8),
        (TF, Precision.F32, ModelForm.KERAS),
    ],
)
def test_which_form_a_runtime_reads(
    runtime: RuntimeChoice, precision: Precision, form: ModelForm
) -> None:
    assert form_of(runtime, precision) is form
