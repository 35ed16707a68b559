"""Outputs with morning pages, made once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.hostile_plant import HOSTILE_CLASSES, make_hostile
from support.morning import Plant, done, make_bundles, make_plant, report_without_spark


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """Three nights with everything that a page can show; see `make_plant`. Tests only read it."""
    folder = tmp_path_factory.mktemp("plant")
    return make_plant(folder, make_bundles(folder, ("bright", "dark")))


@pytest.fixture(scope="session")
def plant_pages(plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pages of the three nights. Tests only read it."""
    folder = tmp_path_factory.mktemp("pages") / "plant"
    done(report_without_spark(plant.output, folder, "--nights", "3"))
    return folder


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """One night of pictures with hostile names; see `make_hostile`. Tests only read it."""
    folder = tmp_path_factory.mktemp("hostile")
    return make_hostile(folder, make_bundles(folder, HOSTILE_CLASSES))


@pytest.fixture(scope="session")
def hostile_pages(hostile: Plant, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its pages. Tests only read it."""
    folder = tmp_path_factory.mktemp("pages") / "hostile"
    done(report_without_spark(hostile.output, folder))
    return folder
