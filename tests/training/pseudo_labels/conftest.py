"""A plant in miniature: labelled pictures, and an archive that the rule bundle scores."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.plant_archive import BRIGHT, DARK, SURE, SURE_DARK, UNSURE, Labelled, Plant

from steeldefect.bundle.files import Bundle


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    """Labelled pictures: in the validation part, 12 of each class, 12 clean, 3 false alarms.

    The bundle is unsure of the false alarms, and sure of all others.
    """
    made = Labelled(tmp_path_factory.mktemp("labelled"))
    for number in range(12):
        both = [
            (BRIGHT, 240 - number, 4 * (number % 10), 4 + number),
            (DARK, 10 + number, 50 - 4 * (number % 10), 70 + number),
        ]
        made.add("validation", both, both)
        made.add("validation")
    for number in range(3):
        made.add("validation", [(BRIGHT, UNSURE, 10, 20 + number)])
    for part in ("train", "test"):
        both = [(BRIGHT, SURE, 20, 30), (DARK, SURE_DARK, 2, 90)]
        made.add(part, both, both)
        made.add(part)
    made.write()
    return made


@pytest.fixture
def plant(rule_bundle: Bundle, tmp_path: Path) -> Plant:
    """An empty archive that the rule bundle will score."""
    return Plant(tmp_path / "plant", rule_bundle)


@pytest.fixture(scope="session")
def scored(rule_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """An archive of seven pictures that the rule bundle has scored; tests must not change it."""
    made = Plant(tmp_path_factory.mktemp("scored"), rule_bundle)
    made.fill()
    made.score()
    return made
