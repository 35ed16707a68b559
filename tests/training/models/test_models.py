"""One contract for every model, and the tutorial's exact sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steeldefect.bundle.manifest import Manifest
from steeldefect.errors import SettingsError
from steeldefect.pictures.preprocessing import Scaling
from training.backend import keras
from training.export.staging import Models
from training.export.write_bundle import write_bundle
from training.models import build_gate, build_segmenter, for_export, weights
from training.models.encoders import ENCODER, colour_network, gray_encoder, stage_ends, transfer
from training.models.gates import encoder_gate, greatest_place, place_gate
from training.models.resnet50 import resnet50_base, resnet50_gate
from training.models.resunet import resunet
from training.models.small import small_gate, small_unet
from training.models.weights import LoadedWeights, load_resnet50_weights
from training.recipe import Encoder, Gate, Segmenter, SegmenterKind, Unavailable


@pytest.mark.parametrize("build", [resunet, small_unet])
@pytest.mark.parametrize("classes", [1, 3])
def test_segmenters_give_one_map_for_each_class(
    build: Callable[..., keras.Model], classes: int
) -> None:
    model = build((32, 64, 1), classes)
    answer = model(np.ones((2, 32, 64, 1), np.float32)).numpy()
    assert answer.shape == (2, 32, 64, classes)
    assert (answer >= 0).all()
    assert (answer <= 1).all()


@pytest.mark.parametrize("shape", [(32, 64, 1), (64, 64, 3)])
def test_small_gate_gives_one_probability(shape: tuple[int, int, int]) -> None:
    answer = small_gate(shape)(np.ones((3, *shape), np.float32)).numpy()
    assert answer.shape == (3, 1)
    assert ((answer >= 0) & (answer <= 1)).all()


def test_resunet_is_the_tutorials() -> None:
    assert resunet((256, 256, 1), 4).count_params() == 1_210_276


@pytest.fixture(scope="module")
def base() -> keras.Model:
    return resnet50_base((256, 256, 3))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> keras.Model:
    return tmp_path_factory.mktemp("weights")


def test_resnet50_gate_is_the_tutorials(base: keras.Model) -> None:
    gate = resnet50_gate(base, LoadedWeights(), dropout=0.3, freeze_base=True)
    assert gate.count_params() == 25_685_377
    assert base.count_params() == 23_587_712
    # nothing was loaded, so nothing is frozen: only batch statistics are not trained
    assert sum(np.prod(w.shape) for w in base.non_trainable_weights) == 53_120


def gate_settings(path: str | None, unavailable: Unavailable = Unavailable.ERROR) -> Gate:
    return Gate.model_validate(
        {
            "kind": "resnet50",
            "input": {"height": 128, "width": 128, "channels": 3, "scaling": "unit"},
            "epochs": 1,
            "batch_size": 1,
            "optimizer": {"kind": "nadam", "learning_rate": 0.001},
            "weights": path,
            "weights_if_unavailable": unavailable,
        }
    )


def ones(model: keras.Model) -> keras.Model:
    model.set_weights([np.ones_like(value) for value in model.get_weights()])
    return model


def test_a_partial_file_is_loaded_and_truly_frozen(tmp_path: Path) -> None:
    source = resnet50_base((128, 128, 3))
    end = "conv3_block4_out"
    path = tmp_path / "part.weights.h5"
    ones(keras.Model(source.input, source.get_layer(end).output)).save_weights(path)
    base = resnet50_base((128, 128, 3))
    loaded = load_resnet50_weights(base, gate_settings(str(path)))
    assert loaded.note is not None
    assert end in loaded.note
    assert (base.get_layer("conv3_block4_3_conv").get_weights()[0] == 1).all()
    assert not (base.get_layer("conv4_block1_1_conv").get_weights()[0] == 1).all()
    gate = resnet50_gate(base, loaded, dropout=0.0, freeze_base=True)
    trainable = {weight.path.split("/")[-2] for weight in gate.trainable_weights}
    assert not any(name.startswith(("conv1", "conv2", "conv3")) for name in trainable)
    assert "conv4_block1_1_conv" in trainable
    assert "conv5_block3_3_conv" in trainable
    assert gate.count_params() - base.count_params() == 2048 * 256 + 256 + 257


def test_a_whole_file_is_loaded_whole(tmp_path: Path) -> None:
    path = tmp_path / "whole.weights.h5"
    ones(resnet50_base((128, 128, 3))).save_weights(path)
    base = resnet50_base((128, 128, 3))
    loaded = load_resnet50_weights(base, gate_settings(str(path)))
    assert len(loaded.layers) == len(base.layers)
    assert all((value == 1).all() for value in base.get_weights())


def test_loaded_weights_see_the_gray_values_they_were_trained_on(tmp_path: Path) -> None:
    base = resnet50_base((128, 128, 3))
    gate = resnet50_gate(base, LoadedWeights(tuple(base.layers)), 0.0, freeze_base=False)
    rescaling = next(one for one in gate.layers if isinstance(one, keras.layers.Rescaling))
    assert np.allclose(
        rescaling(np.ones((1, 1, 1, 3))), [[[[151.061, 138.221, 131.32]]]], atol=1e-3
    )


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.weights.h5"
    small_gate((32, 64, 1)).save_weights(path)
    with pytest.raises(SettingsError, match="fits neither"):
        load_resnet50_weights(
            resnet50_base((64, 64, 3)), gate_settings(str(path), Unavailable.RANDOM)
        )


def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.weights.h5"
    path.write_text("no", encoding="utf-8")
    with pytest.raises(SettingsError, match="fits neither"):
        load_resnet50_weights(resnet50_base((64, 64, 3)), gate_settings(str(path)))


@pytest.mark.parametrize("unavailable", Unavailable)
def test_a_file_that_is_missing_is_an_error(tmp_path: Path, unavailable: Unavailable) -> None:
    base = resnet50_base((64, 64, 3))
    with pytest.raises(SettingsError, match="no such file"):
        load_resnet50_weights(base, gate_settings(str(tmp_path / "gone.weights.h5"), unavailable))


def test_a_failed_download_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise Exception("URL fetch failure\non https://example.invalid")

    base = resnet50_base((64, 64, 3))
    monkeypatch.setattr(weights.keras.applications, "ResNet50", fail)
    with pytest.raises(SettingsError, match=r"cannot be downloaded .URL fetch failure on"):
        load_resnet50_weights(base, gate_settings("imagenet"))
    loaded = load_resnet50_weights(base, gate_settings("imagenet", Unavailable.RANDOM))
    assert loaded.layers == ()
    assert "random weights" in (loaded.note or "")


SHAPE = (64, 96, 1)


@pytest.mark.parametrize("kind", Encoder)
def test_gray_encoders_answer_as_colour_ones_do_to_gray(kind: Encoder) -> None:
    keras.utils.set_random_seed(3)
    colours, gray = colour_network(kind), gray_encoder(kind)
    transfer(kind, colours, gray)
    last = colours.get_layer(stage_ends(kind)[0])
    picture = np.random.default_rng(0).normal(size=(1, 64, 96, 1)).astype(np.float32)
    expected = keras.Model(colours.input, last.output)(picture.repeat(3, axis=3)).numpy()
    strides = [64 // one.shape[1] for one in gray(picture)]
    assert strides == [2, 4, 8, 16, 32]
    np.testing.assert_allclose(gray(picture)[-1].numpy(), expected, rtol=1e-3, atol=1e-3)


def encoder_settings(weights: str | None, **changes: object) -> Segmenter:
    content = {
        "kind": "unet",
        "input": {"height": 64, "width": 96, "channels": 1, "scaling": "standard"},
        "epochs": 1,
        "batch_size": 1,
        "loss": "bce_dice",
        "optimizer": {"kind": "adam", "learning_rate": 0.001},
        "weights": weights,
    }
    return Segmenter.model_validate(content | changes)


def test_unet_and_gate_keep_a_strips_proportions() -> None:
    segmenter = build_segmenter(encoder_settings(None), 3)[0]
    assert segmenter(np.zeros((2, *SHAPE), np.float32)).shape == (2, 64, 96, 3)
    gate = encoder_gate(SHAPE, Encoder.MOBILENETV2, Scaling.STANDARD, 0.3)
    assert gate(np.zeros((2, *SHAPE), np.float32)).shape == (2, 1)


def test_a_gate_says_what_its_most_suspicious_place_says() -> None:
    places = place_gate((None, None, 1), Encoder.MOBILENETV2, Scaling.STANDARD, 0.3)
    pictures = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)
    answers = np.asarray(places(pictures))
    assert answers.shape == (2, 64 // 8, 96 // 8, 1)
    assert answers.max() < 0.5, "most places are sound before anything is learnt"
    gate = greatest_place(places)
    np.testing.assert_allclose(gate(pictures), answers.max(axis=(1, 2)), atol=1e-6)


@pytest.mark.parametrize("kind", ["encoder", "places"])
def test_a_gate_begins_with_the_encoder_of_the_segmenter(kind: str) -> None:
    segmenter = build_segmenter(encoder_settings(None), 3)[0]
    content = encoder_settings(None).model_dump(
        exclude={"loss", "pictures", "mask_coverage", "pixel_threshold", "min_area", "mirrors"}
    ) | {"kind": kind, "weights": "segmenter"}
    gate, loaded = build_gate(Gate.model_validate(content), segmenter)
    shared = [one.name for one in loaded.layers]
    assert shared[0] == ENCODER
    assert any(name.startswith("decoder_8") for name in shared)
    for name in shared:
        pairs = zip(
            gate.get_layer(name).get_weights(),
            segmenter.get_layer(name).get_weights(),
            strict=True,
        )
        assert all((one == other).all() for one, other in pairs)
    assert loaded.note == "gate began with the weights of the segmenter"


def test_a_file_of_an_encoder_is_loaded_and_frozen(tmp_path: Path) -> None:
    path = tmp_path / "mobilenetv2.weights.h5"
    ones(colour_network(Encoder.MOBILENETV2)).save_weights(path)
    model, loaded = build_segmenter(encoder_settings(str(path), freeze_base=True), 2)
    assert mobilenet_is_ones(model)
    assert "mobilenetv2.weights.h5 up to" in (loaded.note or "")
    assert not model.get_layer(ENCODER).trainable_weights
    assert model.trainable_weights, "the decoder learns"


def test_frozen_statistics_stay_and_all_else_learns(tmp_path: Path) -> None:
    path = tmp_path / "mobilenetv2.weights.h5"
    colour_network(Encoder.MOBILENETV2).save_weights(path)
    model = build_segmenter(encoder_settings(str(path), freeze_batch_norm=True), 2)[0]
    before = {one.path: one.numpy() for one in model.get_layer(ENCODER).weights}
    model.compile("adam", "binary_crossentropy")
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(4, *SHAPE)), rng.random((4, 64, 96, 2)), verbose=0)
    for variable in model.get_layer(ENCODER).weights:
        same = bool((variable.numpy() == before[variable.path]).all())
        norm = any(part in variable.path for part in ("gamma", "beta", "moving"))
        assert same == norm, variable.path


def mobilenet_is_ones(model: keras.Model) -> bool:
    encoder = model.get_layer(ENCODER)
    first = encoder.get_layer("Conv1").get_weights()[0]
    return bool(
        (first == 3).all() and (encoder.get_layer("block_5_expand").get_weights()[0] == 1).all()
    )


def test_weights_of_an_earlier_bundle_are_taken_where_they_fit(
    tmp_path: Path, draft: Callable[..., Manifest]
) -> None:
    earlier = ones(small_unet((32, 64, 1), 2))
    write_bundle(tmp_path / "b", Models(None, earlier), draft(gate=False))
    stated = encoder_settings(
        str(tmp_path / "b"),
        kind="small",
        input={"height": 32, "width": 64, "channels": 1, "scaling": "standard"},
    )
    model, loaded = build_segmenter(stated, 3)
    last = model.layers[-1]
    for layer in model.layers:
        if layer.weights and layer is not last:
            assert all((value == 1).all() for value in layer.get_weights())
    assert not (last.get_weights()[0] == 1).all(), "three classes now: the last layer is new"
    assert "bundle" in (loaded.note or "")
    with pytest.raises(SettingsError, match="small_unet, the recipe's a resunet"):
        build_segmenter(stated.model_copy(update={"kind": SegmenterKind.RESUNET}), 2)


def test_what_is_exported_is_float32_and_of_one_size() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        settings = encoder_settings(None, augment={"crop": {"height": 32, "width": 32}})
        model = build_segmenter(settings, 2)[0]
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.input_shape == (None, None, None, 1)
    whole = for_export(model, settings.spec)
    assert whole.input_shape == (None, 64, 96, 1)
    picture = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    assert {one.dtype for one in whole.weights} == {"float32"}
    np.testing.assert_allclose(whole(picture), model(picture), atol=0.05)
