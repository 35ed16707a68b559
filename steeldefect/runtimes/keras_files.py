"""Load `.keras` files without running code from them.

A `.keras` file is a zip of a configuration, from which Keras builds layers, and of their weights.
A configuration can name code: a Lambda layer carries Python bytecode, other layers wrap a
SavedModel or a pickled module, and a custom class may come from any package that can be imported.
Keras' safe mode refuses most of these. Here they are refused before Keras loads the file, and the
error names the layer. Keras loads in safe mode as well, even if this process has switched it off.
"""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from steeldefect.errors import BundleError

_CONFIG = "config.json"
_MEMBERS = frozenset({"metadata.json", _CONFIG, "model.weights.h5"})
"""Files that Keras writes for models without vocabularies; models of pictures have none."""

_RUN_CODE = frozenset(
    {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
)
_ENCRYPTED = 0x1  # bit of a zip entry's flags
_LONGEST = 300  # characters shown of a message by Keras, which may repeat the configuration

_OF_BAD_FILES = (
    *(OSError, KeyError, ValueError, TypeError, AttributeError, RecursionError),
    zipfile.BadZipFile,
)


def load_model_of_pictures(path: Path, gate: Path | None = None) -> Any:
    """Load a Keras model that takes pictures and has one output.

    Args:
        path: path of a `.keras` file.
        gate: the file of a shared gate, if the bundle has one: `path` itself, or that of the
            segmenter's file, which then is joined to the gate's part of the network.

    Raises:
        BundleError: see `load_keras_model`.
    """
    model = load_keras_model(path)
    if gate is None:
        return model
    return gate_alone(model) if gate == path else whole_segmenter(load_keras_model(gate), model)


def gate_alone(gate: Any) -> Any:
    """Return a shared gate without its features: a model of pictures with one output."""
    import keras

    return keras.Model(gate.input, gate.outputs[0], name=gate.name)


def whole_segmenter(gate: Any, segmenter: Any) -> Any:
    """Return a model of pictures from a shared gate and the segmenter that takes its features."""
    import keras

    features = list(gate.outputs[1:])
    maps = segmenter(features if len(features) > 1 else features[0])
    return keras.Model(gate.input, maps, name=segmenter.name)


def load_keras_model(path: Path) -> Any:
    """Load a Keras model in safe mode, for inference: it is not compiled.

    Args:
        path: path of a `.keras` file.

    Returns:
        The `keras.Model`.

    Raises:
        BundleError: the file is damaged, is not a `.keras` file, or might run code.
    """
    import keras  # costs seconds; TensorFlow's own settings must come before it

    try:
        config = _read_config(path)
        _check_config(path, config)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except _OF_BAD_FILES as error:
        problem = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
        raise BundleError(
            f"{path}: no model that Keras loads: {problem}; export it again"
        ) from None


def _read_config(path: Path) -> Any:
    """Read the configuration in the zip, after a check that the zip holds nothing unexpected."""
    with zipfile.ZipFile(path) as archive:
        names = [entry.filename for entry in archive.infolist()]
        for entry in archive.infolist():
            # Keras does not compress, so every file is as large as its data in the zip
            grows = entry.compress_type != zipfile.ZIP_STORED
            grows |= entry.file_size != entry.compress_size
            odd = stat.S_ISLNK(entry.external_attr >> 16) or entry.flag_bits & _ENCRYPTED
            if entry.filename not in _MEMBERS or odd or grows or names.count(entry.filename) > 1:
                raise BundleError(
                    f"{path}: it holds {entry.filename!r}, which is no part of a .keras file as "
                    "`python -m training fit` writes it; export it again"
                )
        return json.loads(archive.read(_CONFIG))


def _check_config(path: Path, config: Any) -> None:
    """Check that a configuration names no layer that runs code, and only Keras' own classes."""
    for part in _parts(config):
        kind, module = part.get("class_name"), part.get("module")
        own = module in (None, "builtins", "keras") or str(module).startswith("keras.")
        if kind in _RUN_CODE or not own:
            inner = part.get("config")
            named = inner.get("name") if isinstance(inner, dict) else None
            layer = f"layer {named!r} is " if named else "it holds "
            origin = "" if module in (None, "builtins") else f" of {module}"
            raise BundleError(
                f"{path}: {layer}a {kind}{origin}, which may run code of whoever wrote the file; "
                "build the model of Keras' own layers, and export it again"
            )


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every part of a configuration that names a class or a module."""
    waiting = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "class_name" in part or "module" in part:
                yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
