"""`.keras` files: what a fit wrote is loaded, what would run code is refused by name."""

from __future__ import annotations

import ast
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
from support.samples import ROOT

from steeldefect.bundle.files import Bundle, ModelForm, ModelName, describe_files, seal_bundle
from steeldefect.errors import BundleError, SettingsError
from steeldefect.runtimes import (
    DeviceChoice,
    Precision,
    RuntimeChoice,
    RuntimeOptions,
    choose_engine,
)
from steeldefect.runtimes.keras_files import load_keras_model
from steeldefect.runtimes.tensorflow import TensorFlowRuntime
from training.backend import keras
from training.models.weights import _load_file, load_twin
from training.recipe import Segmenter

OPTIONS = RuntimeOptions(
    runtime=RuntimeChoice.TENSORFLOW,
    device=DeviceChoice.CPU,
    precision=Precision.F32,
    batch_size=1,
    threads=0,
)
Config = dict[str, Any]


@pytest.fixture
def whole(rule_bundle: Bundle) -> Path:
    """A model as a fit wrote it."""
    return rule_bundle.model_path(ModelName.SEGMENTER, ModelForm.KERAS)


def rewritten(
    source: Path,
    target: Path,
    change: Callable[[Config], object] | None = None,
    more: dict[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Copy a `.keras` file with another configuration, or more in it."""
    with zipfile.ZipFile(source) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    if change is not None:
        config = json.loads(content["config.json"])
        change(config)
        content["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, data in (content | (more or {})).items():
            archive.writestr(name, data)
    return target


def layer(config: Config, number: int = -1) -> Config:
    """Return a layer's part of a model's configuration."""
    found: Config = config["config"]["layers"][number]
    return found


def test_what_a_fit_wrote_is_loaded(whole: Path, tmp_path: Path) -> None:
    for path in (whole, rewritten(whole, tmp_path / "same.keras")):
        model = load_keras_model(path)
        assert model.output_shape == (None, 64, 128, 2)
        assert not model.compiled


def lambda_model(path: Path) -> Path:
    """Save a model whose layer is Python code."""
    inputs = keras.Input((4, 4, 1))
    code = keras.layers.Lambda(lambda x: x, name="sneaky")
    keras.Model(inputs, code(inputs)).save(path)
    return path


def test_a_lambda_layer_is_refused_by_name(tmp_path: Path) -> None:
    path = lambda_model(tmp_path / "lambda.keras")
    with pytest.raises(
        BundleError, match=r"layer 'sneaky' is a Lambda of keras\.layers, which may"
    ):
        load_keras_model(path)
    with pytest.raises(BundleError, match="'sneaky'"):
        TensorFlowRuntime(path, choose_engine(OPTIONS))


def test_a_process_that_allowed_unsafe_files_does_not_allow_them_here(tmp_path: Path) -> None:
    path = lambda_model(tmp_path / "lambda.keras")
    from keras.src.saving import serialization_lib

    with serialization_lib.SafeModeScope(safe_mode=False), pytest.raises(BundleError, match="Lamb"):
        load_keras_model(path)


def as_kind(kind: str, module: str | None) -> Callable[[Config], object]:
    def change(config: Config) -> object:
        return layer(config).update({"class_name": kind, "module": module})

    return change


def with_activation(value: object) -> Callable[[Config], object]:
    def change(config: Config) -> object:
        return layer(config)["config"].update({"activation": value})

    return change


def function(name: str, module: str) -> Config:
    return {"class_name": "function", "config": name, "module": module, "registered_name": name}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (as_kind("TFSMLayer", "keras.layers"), "layer 'rule' is a TFSMLayer of keras.layers"),
        (as_kind("TorchModuleWrapper", "keras.layers"), "a TorchModuleWrapper of keras.layers"),
        (as_kind("Conv2D", "somebodys.package"), "a Conv2D of somebodys.package, which may run"),
        (as_kind("Popen", "subprocess"), "a Popen of subprocess"),
        (as_kind("Conv2D", "kerasevil"), "a Conv2D of kerasevil"),
        (with_activation(function("system", "os")), "it holds a function of os"),
        (with_activation(function("get_file", "keras.utils")), "no model that Keras loads"),
        (with_activation(function("eval", "builtins")), "no model that Keras loads"),
        (with_activation({"class_name": "__lambda__", "config": {"value": "x"}}), "a __lambda__"),
        (as_kind("NoSuchLayer", "keras.layers"), "no model that Keras loads"),
        (lambda config: config.update({"class_name": "Lambda"}), "a Lambda of keras"),
    ],
)
def test_what_may_run_code_is_refused(
    whole: Path, tmp_path: Path, change: Callable[[Config], object], words: str
) -> None:
    path = rewritten(whole, tmp_path / "model.keras", change)
    with pytest.raises(BundleError) as caught:
        load_keras_model(path)
    message = str(caught.value)
    assert words in message
    assert str(path) in message
    assert "export it again" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "name",
    ["../escaped", "/escaped", "assets/escaped", "assets/../../escaped", "model.weights.npz"],
)
def test_what_is_no_part_of_a_model_is_refused(whole: Path, tmp_path: Path, name: str) -> None:
    path = rewritten(whole, tmp_path / "model.keras", more={name: b"escaped"})
    with pytest.raises(BundleError, match=r"which is no part of a \.keras file"):
        load_keras_model(path)
    assert not list(tmp_path.rglob("*escaped*"))


def test_a_bomb_is_refused(whole: Path, tmp_path: Path) -> None:
    bomb = {"model.weights.h5": bytes(100_000_000)}
    path = rewritten(whole, tmp_path / "model.keras", None, bomb, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(BundleError, match=r"which is no part of a \.keras file"):
        load_keras_model(path)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(BundleError, match="no model that Keras loads"):
        load_keras_model(path)


@pytest.mark.parametrize("text", [b"", b"[]", b"[" * 200_000, b"null", b'{"class_name": 1}'])
def test_a_configuration_that_is_none_is_refused(whole: Path, tmp_path: Path, text: bytes) -> None:
    path = rewritten(whole, tmp_path / "model.keras", more={"config.json": text})
    with pytest.raises(BundleError, match="no model that Keras loads"):
        load_keras_model(path)


def link_out(weights: Path, elsewhere: Path) -> None:
    """Make a file of weights refer to another file of this host for its first numbers."""
    found: list[str] = []
    with h5py.File(weights, "a") as file:
        file.visititems(lambda name, one: found.append(name) if hasattr(one, "shape") else None)
        with h5py.File(elsewhere, "w") as other:
            other["numbers"] = file[found[0]][()]
        del file[found[0]]
        file[found[0]] = h5py.ExternalLink(str(elsewhere), "/numbers")
        assert file[found[0]].shape, "h5py itself follows such links"


def test_weights_that_lead_to_another_file_are_refused(whole: Path, tmp_path: Path) -> None:
    model, weights = load_keras_model(whole), tmp_path / "linked.weights.h5"
    model.save_weights(weights)
    assert _load_file(model, weights, (), "segmenter") is model
    link_out(weights, tmp_path / "elsewhere.h5")
    path = rewritten(
        whole, tmp_path / "model.keras", more={"model.weights.h5": weights.read_bytes()}
    )
    with pytest.raises(BundleError, match=r"no model that Keras loads: .*Link"):
        load_keras_model(path)
    with pytest.raises(SettingsError, match="fits neither"):
        _load_file(model, weights, (), "segmenter")


def test_a_bundle_that_a_fit_goes_on_from_is_held_to_the_same(
    rule_bundle: Bundle, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    (folder / "keras").mkdir(parents=True)
    lambda_model(folder / "keras" / "gate.keras")
    lambda_model(folder / "keras" / "segmenter.keras")
    listed = rule_bundle.manifest.model_copy(update={"files": describe_files(folder)})
    seal_bundle(folder, listed)
    with pytest.raises(BundleError, match="layer 'sneaky' is a Lambda"):
        load_twin(
            load_keras_model(rule_bundle.model_path(ModelName.SEGMENTER, ModelForm.KERAS)),
            Segmenter.model_construct(weights=str(folder)),
        )


def test_every_model_is_loaded_in_safe_mode() -> None:
    """Each call that loads a Keras model sets safe mode; no code switches it off."""
    calls = 0
    for folder in ("steeldefect", "training", "jobs", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert "enable_unsafe_deserialization" not in text, path
            assert "safe_mode=False" not in text, path
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".load_model"):
                    calls += 1
                    asked = {one.arg: ast.unparse(one.value) for one in node.keywords}
                    assert asked.get("safe_mode") == "True", f"{path}:{node.lineno}"
    assert calls


def test_no_pickle_is_read() -> None:
    for folder in ("steeldefect", "training", "jobs"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for word in (
                "import pickle",
                "joblib",
                "allow_pickle=True",
                "yaml.load(",
                "torch.load",
            ):
                assert word not in text, f"{path}: {word}"
