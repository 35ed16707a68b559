"""A plant in miniature: drawn strips with labels, as if somebody had labelled them."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.data.dataset import DataSet, read_dataset
from training.synthetic import StripSettings, generate

HEIGHT, WIDTH = 64, 400


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder of 40 strips of 64x400 pixels, about half of them clean."""
    folder = tmp_path_factory.mktemp("plant")
    generate(folder, pictures=40, seed=5, settings=StripSettings(height=HEIGHT, width=WIDTH))
    return folder


@pytest.fixture(scope="session")
def plant_data(plant: Path) -> DataSet:
    """Return the data set of `plant`."""
    return read_dataset(plant)
