"""The device programs in TensorFlow, with and without XLA, against OpenCV and NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from support.device_answers import SIZE, gate_answers, segmenter_answers
from support.device_material import SHAPE, HostAnswers, check_masks, host_answers, write_material
from support.samples import both_picture, bright_picture, plain_picture

from steeldefect.bundle.files import Bundle, ModelName
from steeldefect.bundle.manifest import DefectClass, Segmenter
from steeldefect.errors import DeviceError
from steeldefect.pictures.preprocessing import Gray, InputSpec, Scaling, scale_batch
from steeldefect.runtimes import (
    DeviceChoice,
    RuntimeChoice,
    RuntimeOptions,
    choose_engine,
    open_runtime,
)
from steeldefect.runtimes.device_program import (
    Placement,
    Plane,
    SegmenterProgram,
    SizedPictures,
    planes_of,
)
from steeldefect.runtimes.device_program.program import packed_masks, scaled
from steeldefect.runtimes.tensorflow import TensorFlowRuntime

PLAIN, XLA = Placement("cpu", xla=False), Placement("cpu", xla=True)
both_ways = pytest.mark.parametrize("placement", [PLAIN, XLA], ids=["plain", "xla"])


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_material(tmp_path_factory.mktemp("device") / "material")


@pytest.fixture(scope="module")
def host(material: Path) -> HostAnswers:
    return host_answers(material)


@both_ways
def test_a_gate_answers_as_on_the_host(
    material: Path, host: HostAnswers, placement: Placement
) -> None:
    np.testing.assert_allclose(gate_answers(material, placement), host.gate, atol=1e-5)
    assert np.ptp(host.gate) > 1e-3, "all answers are equal: the test could not fail"


@both_ways
def test_masks_are_those_of_the_host(
    material: Path, host: HostAnswers, placement: Placement
) -> None:
    check_masks(segmenter_answers(material, placement), host)


def odd_pictures() -> list[Gray]:
    """Pictures on which sums in float32 would go wrong: large, and close to one gray value."""
    random = np.random.default_rng(1)
    flat = np.full((512, 512), 201, np.uint8)
    almost = flat.copy()
    almost[7, 9] = 202
    stripes = np.tile(np.array([[254], [255]], np.uint8), (256, 512))
    return [flat, almost, stripes, random.integers(0, 256, (512, 512), dtype=np.uint8)]


@pytest.mark.parametrize("scaling", list(Scaling))
@pytest.mark.parametrize("channels", [1, 3])
def test_scaling_is_that_of_the_host(scaling: Scaling, channels: int) -> None:
    spec = InputSpec(height=512, width=512, channels=channels, scaling=scaling)
    pictures = odd_pictures()
    expected = scale_batch(pictures, spec)
    found = keras.ops.convert_to_numpy(scaled(keras.ops.convert_to_tensor(pictures), spec))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
    assert (found[0] == expected[0]).all(), "a picture of one gray value has no rounding"


@pytest.mark.parametrize("shape", [(75, 190), (32, 80), (9, 5), (64, 160)])
def test_bits_are_those_of_packbits(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(2)
    maps = cv2.GaussianBlur(random.random((32, 80, 2), np.float32), (0, 0), 2)
    maps = cv2.normalize(maps, None, 0, 1, cv2.NORM_MINMAX).transpose(2, 0, 1)[np.newaxis]
    planes = (Plane(1, 0.4003), Plane(0, 0.5004), Plane(1, 0.7007))
    bits = keras.ops.convert_to_numpy(
        packed_masks(keras.ops.array(maps), keras.ops.array(maps.max(axis=(2, 3))), planes, shape)
    )
    assert bits.dtype == np.uint8
    assert bits.shape == (1, 3, -(-shape[0] * shape[1] // 8))
    for place, (number, threshold) in enumerate(planes):
        full = cv2.resize(maps[0, number], shape[::-1], interpolation=cv2.INTER_LINEAR)
        mask = full > threshold
        assert 0 < mask.sum() < mask.size
        assert not (np.abs(full - threshold) < 1e-6).any(), "rounding could decide here"
        np.testing.assert_array_equal(bits[0, place], np.packbits(mask))


def test_a_peak_at_the_threshold_is_no_mask() -> None:
    maps = np.full((1, 1, 4, 4), 0.3, np.float32)  # resizing may exceed it by a rounding
    peaks, planes = maps.max(axis=(2, 3)), (Plane(0, float(np.float32(0.3))),)
    bits = packed_masks(keras.ops.array(maps), keras.ops.array(peaks), planes, (7, 9))
    assert not keras.ops.convert_to_numpy(bits).any()


def test_planes_are_classes_at_their_own_threshold_then_at_each_level() -> None:
    classes = [DefectClass(id=4, name="a"), DefectClass(id=9, name="b", pixel_threshold=0.7)]
    assert planes_of(classes) == ((0, 0.5), (1, 0.7))
    assert planes_of(classes, (0.2, 0.3)) == (
        *((0, 0.5), (1, 0.7)),
        *((0, 0.2), (1, 0.2)),
        *((0, 0.3), (1, 0.3)),
    )


def test_maps_that_are_not_finite_are_reported_for_their_picture_alone() -> None:
    layers = keras.layers
    inputs = keras.Input((8, 16, 1))
    infinite = layers.Rescaling(float("inf"))(inputs)  # 0 x infinity is not a number
    model = keras.Model(inputs, layers.Activation("sigmoid")(infinite))
    spec = InputSpec(height=8, width=16, channels=1, scaling=Scaling.STANDARD)
    gray = np.full((1, 8, 16), 7, np.uint8)
    halves = np.repeat(np.uint8([[[0], [255]]]), 4, axis=1).repeat(16, axis=2)
    program = SegmenterProgram(model, Segmenter(input=spec), (Plane(0, 0.5),), PLAIN, 3)
    batch = SizedPictures(np.concatenate([halves, gray]), (8, 16))
    [[good, bad]] = program.masks([batch])
    assert good.finite
    assert good.mask(0).sum() == 64
    assert not bad.finite
    assert not bad.maps


def test_pictures_of_several_sizes_share_a_program(material: Path) -> None:
    from support.device_answers import PICTURES, SEGMENTER, read_parts, resized

    from steeldefect.runtimes.keras_files import load_keras_model

    parts = read_parts(material)
    model = load_keras_model(material / SEGMENTER)
    planes = planes_of(parts.classes)
    program = SegmenterProgram(model, parts.segmenter, planes, PLAIN, SIZE)
    inputs = resized(list(np.load(material / PICTURES)[1:3]), parts.segmenter.input)
    sizes = (SHAPE, (40, 100), SHAPE)
    found = list(program.masks(SizedPictures(inputs, size) for size in sizes))
    assert [batch[0].mask(0).shape for batch in found] == list(sizes)
    np.testing.assert_array_equal(found[0][1].bits, found[2][1].bits)


class Rule:
    """The rule bundle's models as programs of the runtime."""

    def __init__(self, bundle: Bundle) -> None:
        options = RuntimeOptions(
            RuntimeChoice.TENSORFLOW, DeviceChoice.CPU, threads=0, batch_size=SIZE
        )
        self.manifest = bundle.manifest
        self.gate, self.segmenter = (
            open_runtime(bundle, model, choose_engine(options)) for model in ModelName
        )


@pytest.fixture(scope="module")
def rule(rule_bundle: Bundle) -> Rule:
    return Rule(rule_bundle)


def rule_pictures() -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    kinds = (plain_picture, bright_picture, both_picture)
    return np.stack([kinds[number % 3](number) for number in range(7)])


def test_a_runtime_gives_the_answers_of_predict(rule: Rule) -> None:
    assert isinstance(rule.gate, TensorFlowRuntime)
    spec = rule.manifest.segmenter.input
    pictures = rule_pictures()
    expected = rule.gate.predict(scale_batch(list(pictures), spec))[:, 0]
    [found] = rule.gate.gate_program(spec).probabilities([pictures])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_only_maps_of_classes_with_a_mask_come_back(rule: Rule) -> None:
    assert isinstance(rule.segmenter, TensorFlowRuntime)
    planes = planes_of(rule.manifest.classes)
    program = rule.segmenter.segmenter_program(rule.manifest.segmenter, planes)
    pictures = rule_pictures()
    [found] = program.masks([SizedPictures(pictures, pictures.shape[1:])])
    assert [set(one.maps) for one in found] == [set(), {0}, {0, 1}] * 2 + [set()]
    for picture, masks in zip(pictures, found, strict=True):
        np.testing.assert_array_equal(masks.mask(0), picture > 204)
        np.testing.assert_array_equal(masks.mask(1), picture < 51)
    with pytest.raises(KeyError):
        found[0].probabilities(0, slice(0, 4), slice(0, 4))


def failing(model: keras.Model, room: int) -> keras.Model:
    """Return a model on a device whose memory holds `room` pictures."""

    class Small(keras.layers.Layer):
        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            def check(batch: tf.Tensor) -> tf.Tensor:
                if len(batch) > room:
                    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
                return batch

            answer = tf.py_function(check, [inputs], tf.float32)
            answer.set_shape(inputs.shape)
            return answer

    inputs = keras.Input(model.input_shape[1:])
    return keras.Model(inputs, model(Small()(inputs)))


def test_a_batch_that_memory_does_not_hold_is_halved(rule: Rule) -> None:
    assert isinstance(rule.segmenter, TensorFlowRuntime)
    planes, pictures = planes_of(rule.manifest.classes), rule_pictures()
    part = rule.manifest.segmenter
    whole = rule.segmenter.segmenter_program(part, planes)
    small = SegmenterProgram(failing(rule.segmenter._model, 2), part, planes, PLAIN, 8)

    def batches() -> Iterator[SizedPictures]:
        for start in (0, 1, 3):
            yield SizedPictures(pictures[start:], pictures.shape[1:])

    expected, found = list(whole.masks(batches())), list(small.masks(batches()))
    assert [len(batch) for batch in found] == [7, 6, 4]
    for one, other in zip(chain(*expected), chain(*found), strict=True):
        np.testing.assert_array_equal(one.bits, other.bits)
        assert one.maps.keys() == other.maps.keys()


def test_memory_that_holds_no_picture_is_an_error(rule: Rule) -> None:
    assert isinstance(rule.segmenter, TensorFlowRuntime)
    planes, pictures = planes_of(rule.manifest.classes), rule_pictures()
    model = failing(rule.segmenter._model, 0)
    program = SegmenterProgram(model, rule.manifest.segmenter, planes, PLAIN, 4)
    with pytest.raises(DeviceError, match="out of memory with a single picture"):
        list(program.masks([SizedPictures(pictures, pictures.shape[1:])]))
