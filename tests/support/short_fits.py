"""Fits that take seconds."""

from __future__ import annotations

from typing import Any


def tiny_recipe(epochs: int) -> dict[str, Any]:
    """Return a recipe whose fit takes seconds, for the folder `learnable`."""
    part = {
        "kind": "small",
        "input": {"height": 32, "width": 64, "channels": 1, "scaling": "standard"},
        "epochs": epochs,
        "batch_size": 8,
        "optimizer": {"kind": "adam", "learning_rate": 0.01},
    }
    return {
        "name": "tiny",
        "split": {"validation": 0.25, "test": 0.25},
        "gate": {**part, "threshold": 0.2},
        "segmenter": {**part, "loss": "bce_dice", "min_area": 4, "pixel_threshold": 0.4},
        "compile": {"int8_pictures": 8},
    }
