"""The demonstration's settings fit the pictures that it generates."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from steeldefect.pictures.strip import Axis, Places
from steeldefect.settings import load_settings
from training.synthetic import CoilSettings, StripSettings

ROOT = Path(__file__).parents[2]
SCRIPT = (ROOT / "jobs" / "demo.sh").read_text(encoding="utf-8")


def option(name: str) -> int:
    """Return the number that the demonstration gives to an option of `generate` for the plant."""
    found = re.search(rf"--data demo/plant.*?--{name} (\d+)", SCRIPT.replace("\\\n", ""))
    assert found is not None
    return int(found[1])


def test_places_of_the_generated_pictures_are_found() -> None:
    strip = load_settings(ROOT / "conf" / "demo.yaml", []).strip
    coils = CoilSettings(frames=option("frames"), cameras=option("cameras"))
    assert strip.along is Axis.X
    assert strip.pixel_mm is not None
    assert strip.pixel_mm.x == coils.pixel_mm
    assert strip.frame_mm == StripSettings().width * coils.pixel_mm
    number = coils.pictures_of_coil + coils.frames + 3  # coil 2, camera 2, frame 3
    place = Places(strip).of(f"images/{coils.name_of(number)}")
    assert (place.coil, place.camera, place.position_mm) == ("002", "2", 3 * strip.frame_mm)


def test_every_generated_coil_is_archived_once() -> None:
    nights = [
        (int(one), int(two)) for one, two in re.findall(r"^archive (\d+) (\d+)", SCRIPT, re.M)
    ]
    archived = [coil for first, last in nights for coil in range(first, last + 1)]
    made = option("pictures") / (option("frames") * option("cameras"))
    assert archived == list(range(1, int(made) + 1))
    assert made == int(made)


@pytest.mark.parametrize(("name", "night"), [("roll-mark", 2), ("dark-coils", 3)])
def test_each_fault_belongs_to_its_night(name: str, night: int) -> None:
    nights = re.findall(r"^archive (\d+) (\d+)\nscore (\d)", SCRIPT, re.M)
    first, last, _ = next(one for one in nights if one[2] == str(night))
    assert int(first) <= option(name) <= int(last)
