"""Test coils and cameras: names, light, and what the command line and the settings refuse."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from steeldefect.errors import SettingsError
from steeldefect.pictures.statistics import picture_statistics
from training.__main__ import main
from training.synthetic import CoilSettings, DarkCamera, RollMark, StripSettings, generate

SMALL = StripSettings(height=64, width=256)
TWO_CAMERAS = CoilSettings(frames=3, cameras=2)


def pictures(folder: Path) -> dict[str, str]:
    """Return the digest of each picture, by its name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "images").iterdir())
    }


def gray_means(folder: Path, pattern: str) -> list[float]:
    read = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(folder.glob(pattern))]
    return [picture_statistics(one).gray_mean for one in read if one is not None]


def test_pictures_follow_each_other_by_coil_camera_and_frame() -> None:
    assert [TWO_CAMERAS.name_of(number) for number in (0, 2, 3, 5, 6)] == [
        "coil_001-camera_1-frame_0000.jpg",
        "coil_001-camera_1-frame_0002.jpg",
        "coil_001-camera_2-frame_0000.jpg",
        "coil_001-camera_2-frame_0002.jpg",
        "coil_002-camera_1-frame_0000.jpg",
    ]
    assert CoilSettings(frames=3).name_of(4) == "coil_002-frame_0001.jpg"
    assert CoilSettings().name_of(4) == "strip_000004.jpg"


def test_names_of_coils_and_cameras_change_no_picture(tmp_path: Path) -> None:
    generate(tmp_path / "plain", pictures=7, seed=1, settings=SMALL)
    generate(tmp_path / "named", pictures=7, seed=1, settings=SMALL, coils=TWO_CAMERAS)
    plain, named = pictures(tmp_path / "plain"), pictures(tmp_path / "named")
    assert list(named.values()) == list(plain.values())


def test_a_dark_camera_is_dark_on_its_coils_alone(tmp_path: Path) -> None:
    dark = CoilSettings(frames=3, cameras=2, dark=(DarkCamera(2, 2, 3, light=0.5),))
    generate(tmp_path / "usual", pictures=24, seed=1, settings=SMALL, coils=TWO_CAMERAS)
    generate(tmp_path / "dark", pictures=24, seed=1, settings=SMALL, coils=dark)
    usual, darker = pictures(tmp_path / "usual"), pictures(tmp_path / "dark")
    changed = {name for name in usual if usual[name] != darker[name]}
    assert changed == {
        f"coil_00{coil}-camera_2-frame_000{frame}.jpg" for coil in (2, 3) for frame in range(3)
    }
    pattern = "images/coil_00[23]-camera_2*"
    before, after = (gray_means(tmp_path / name, pattern) for name in ("usual", "dark"))
    np.testing.assert_allclose(np.divide(after, before), 0.5, atol=0.02)
    assert (tmp_path / "dark/train.csv").read_bytes() == (tmp_path / "usual/train.csv").read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": -1}, "frames is at least 0; received -1"),
        ({"cameras": -1}, "cameras is at least 0; received -1"),
        ({"pixel_mm": 0.0}, "pixel_mm is above 0"),
        ({"frames": 0}, "give frames, too"),
        ({"roll_marks": (RollMark(0),)}, "roll mark: coils count from 1; received 0"),
        ({"roll_marks": (RollMark(1, camera=3),)}, "roll mark: camera is 1 to 2; received 3"),
        ({"roll_marks": (RollMark(1, diameter_mm=99.0),)}, "diameter_mm is 100 to 2000"),
        ({"roll_marks": (RollMark(1, diameter_mm=float("nan")),)}, "diameter_mm is 100 to 2000"),
        ({"dark": (DarkCamera(3, 1, 1),)}, "dark camera: camera is 1 to 2; received 3"),
        ({"dark": (DarkCamera(1, 2, 1),)}, "the first is not after the last; received 2 to 1"),
        ({"dark": (DarkCamera(1, 1, 1, light=1.0),)}, "light is a share between 0 and 1"),
        ({"cameras": 0, "dark": (DarkCamera(1, 1, 1),)}, "give cameras, too"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        CoilSettings(**{"frames": 3, "cameras": 2, **changes})


def test_all_problems_are_listed_at_once() -> None:
    with pytest.raises(SettingsError, match=r"pixel_mm.*coils count from 1.*camera is 1 to 2"):
        CoilSettings(
            frames=3,
            cameras=2,
            pixel_mm=-1.0,
            roll_marks=(RollMark(0),),
            dark=(DarkCamera(7, 1, 1),),
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"roll_marks": (RollMark(3),)}, "roll mark: the pictures show coils 1 to 2; .* coil 3"),
        ({"dark": (DarkCamera(1, 3, 9),)}, "dark camera: the pictures show .*; .* coil 3 to 9"),
    ],
)
def test_a_coil_that_no_picture_shows_is_refused(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    coils = CoilSettings(frames=3, cameras=2, **settings)
    with pytest.raises(SettingsError, match=message):
        generate(tmp_path / "new", pictures=12, seed=1, settings=SMALL, coils=coils)
    assert not (tmp_path / "new").exists()
    generate(tmp_path / "new", pictures=1, seed=1, settings=SMALL, coils=coils, first=12)


def test_the_command_draws_what_its_options_say(tmp_path: Path) -> None:
    options = ["--pictures", "8", "--seed", "5", "--frames", "2", "--cameras", "2"]
    options += ["--roll-mark", "1:2", "--roll-diameter", "200"]
    options += ["--dark-camera", "1", "--dark-coils", "2-2", "--dark-light", "0.3"]
    assert main(["generate", "--data", str(tmp_path / "command"), *options]) == 0
    coils = CoilSettings(
        frames=2,
        cameras=2,
        roll_marks=(RollMark(1, 2, 200.0),),
        dark=(DarkCamera(1, 2, 2, 0.3),),
    )
    generate(tmp_path / "call", pictures=8, seed=5, coils=coils)
    assert pictures(tmp_path / "command") == pictures(tmp_path / "call")
    plain = CoilSettings(frames=2, cameras=2)
    generate(tmp_path / "plain", pictures=8, seed=5, coils=plain)
    changed = pictures(tmp_path / "call").items() - pictures(tmp_path / "plain").items()
    assert {name[:17] for name, _ in changed} == {"coil_001-camera_2", "coil_002-camera_1"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--roll-mark", "one"], "COIL or COIL:CAMERA"),
        (["--dark-coils", "3"], "FIRST-LAST"),
        (["--dark-camera", "1"], "give --dark-camera and --dark-coils together"),
        (["--roll-mark", "1"], "give frames, too"),
    ],
)
def test_the_command_refuses_options_that_do_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    arguments = ["generate", "--data", str(tmp_path / "new"), "--pictures", "3", *options]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
