"""What the measurement of the device programs counts and prints."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest
from support.samples import fill_archive, run_program

from benchmarks.device_program import operations
from steeldefect.bundle.files import Bundle
from steeldefect.errors import DataError


def test_operations_are_counted_by_layer() -> None:
    layers = keras.layers
    inputs = keras.Input((6, 8, 2))
    x = layers.Conv2D(4, 3, padding="same", strides=2)(inputs)  # 3 x 4 places
    inner = keras.Model(inputs, layers.DepthwiseConv2D(3, padding="same")(x))
    x = layers.Conv2DTranspose(5, 2, strides=2)(layers.BatchNormalization()(inner(inputs)))
    model = keras.Model(inputs, layers.Dense(7)(layers.GlobalMaxPooling2D()(x)))
    each = (3 * 3 * 2 * 4 * 12, 3 * 3 * 4 * 12, 2 * 2 * 5 * 4 * 12, 5 * 7)
    assert operations(model) == 2 * sum(each)


def test_layers_that_are_not_counted_are_refused() -> None:
    inputs = keras.Input((6, 8, 2))
    model = keras.Model(inputs, keras.layers.SeparableConv2D(4, 3)(inputs))
    with pytest.raises(DataError, match="a SeparableConv2D, are not counted"):
        operations(model)


def test_both_models_are_measured(rule_bundle: Bundle, tmp_path: Path) -> None:
    fill_archive(tmp_path / "archive", 3)
    ended = run_program(
        *("benchmarks/device_program.py", "--batches", "2", "--batch-size", "2"),
        *("--bundle", str(rule_bundle.folder), "--pictures", str(tmp_path / "archive")),
        PYTHONPATH=".",
    )
    assert ended.code == 0, ended.err
    lines = {line.split()[0]: line.split()[1:] for line in ended.out.splitlines()}
    assert len(lines["gate"]) == len(lines["segmenter"]) == 6
    assert float(lines["segmenter"][0]) > 0
    assert lines["tensorflow"][0] == "on"
