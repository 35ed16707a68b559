"""Opens `.keras` files without running code from them.

A `.keras` file is a zip of a configuration, from which Keras builds layers, and of their weights.
A configuration can name code: a Lambda layer carries Python bytecode, others wrap a SavedModel or
a pickled module, a custom class is one of whatever package can be imported. Keras' safe mode
refuses most of these; here they are refused before Keras sees the file, with the layer's name, and
safe mode is on all the same, whatever this process may have switched off.
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
"""What Keras writes for models without vocabularies, which no model of a picture has."""

_RUN_CODE = frozenset(
    {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
)
_ENCRYPTED = 0x1  # of a zip entry's flags
_LONGEST = 300  # characters of a message by Keras, which repeats whole configurations

_OF_BAD_FILES = (
    *(OSError, KeyError, ValueError, TypeError, AttributeError, RecursionError),
    zipfile.BadZipFile,
)


def load_keras_model(path: Path) -> Any:
    """Load a Keras model in safe mode, for inference: it is not compiled.

    Args:
        path: of a `.keras` file.

    Returns:
        The `keras.Model`.

    Raises:
        BundleError: the file is damaged, is no such file, or would run code.
    """
    import keras  # costs seconds; TensorFlow's own settings must come before it

    try:
        config = _read_config(path)
        _check_config(path, config)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except _OF_BAD_FILES as error:
        problem = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
        raise BundleError(f"{path}: no model that Keras loads: {problem}; export it anew") from None


def _read_config(path: Path) -> Any:
    """Read the configuration out of the zip, once nothing else in the zip is a surprise."""
    with zipfile.ZipFile(path) as archive:
        names = [entry.filename for entry in archive.infolist()]
        for entry in archive.infolist():
            # Keras stores without compression; so no file is larger than its place in the zip
            grows = entry.compress_type != zipfile.ZIP_STORED
            grows |= entry.file_size != entry.compress_size
            odd = stat.S_ISLNK(entry.external_attr >> 16) or entry.flag_bits & _ENCRYPTED
            if entry.filename not in _MEMBERS or odd or grows or names.count(entry.filename) > 1:
                raise BundleError(
                    f"{path}: it holds {entry.filename!r}, which is no part of a .keras file as "
                    "`python -m training fit` writes it; export it anew"
                )
        return json.loads(archive.read(_CONFIG))


def _check_config(path: Path, config: Any) -> None:
    """Refuse what runs code, and what is not Keras' own."""
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
                "build the model of Keras' own layers, and export it anew"
            )


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    """Yield everything in a configuration that names a class or a function."""
    waiting = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "class_name" in part or "module" in part:
                yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
