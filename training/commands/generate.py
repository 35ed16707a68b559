"""`python -m training generate`: draw a labelled data set of steel strips."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any

from steeldefect.errors import SettingsError
from steeldefect.program.command import local_path, positive

if TYPE_CHECKING:
    from training.synthetic import CoilSettings, DarkCamera, RollMark

_DIAMETER_MM = 300.0
_LIGHT = 0.4


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("generate", help="draw a labelled data set of steel strips")
    parser.set_defaults(run=run)
    parser.add_argument("--data", type=local_path, required=True, help="folder to write")
    parser.add_argument("--pictures", type=positive, required=True, help="number of pictures")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--first", type=int, default=0, help="number of the first picture")
    _add_coils(parser)


def _add_coils(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--frames",
        type=positive,
        default=0,
        metavar="N",
        help="pictures of a coil, by each camera; their names then state coil and frame (default: "
        "no coils)",
    )
    parser.add_argument(
        "--cameras",
        type=positive,
        default=0,
        metavar="N",
        help="cameras that photograph each coil; the names then state the camera, too",
    )
    parser.add_argument(
        "--roll-mark",
        type=_coil_and_camera,
        action="append",
        default=[],
        metavar="COIL[:CAMERA]",
        help="a damaged roll prints a mark on this coil at each of its turns, in the view of this "
        "camera (default: the first); repeatable",
    )
    parser.add_argument(
        "--roll-diameter",
        type=float,
        default=_DIAMETER_MM,
        metavar="MM",
        help="diameter of the damaged rolls; a pixel is 0.5 mm long (default: %(default)g)",
    )
    parser.add_argument("--dark-camera", type=positive, metavar="CAMERA", help="a darker camera")
    parser.add_argument(
        "--dark-coils",
        type=_first_and_last,
        metavar="FIRST-LAST",
        help="the coils on which it is darker, such as 17-24",
    )
    parser.add_argument(
        "--dark-light",
        type=float,
        default=_LIGHT,
        metavar="SHARE",
        help="share of the usual light that reaches it (default: %(default)g)",
    )


def run(options: argparse.Namespace) -> None:
    """Draw the pictures and print their folder.

    Raises:
        SettingsError: a number is out of range, or options do not fit each other.
    """
    from training.synthetic import generate

    generate(
        options.data,
        pictures=options.pictures,
        seed=options.seed,
        first=options.first,
        coils=_coils(options),
    )
    print(f"{options.pictures} pictures in {options.data}")


def _coils(options: argparse.Namespace) -> CoilSettings:
    from training.synthetic import CoilSettings, RollMark

    marks: list[RollMark] = [
        RollMark(coil, camera, options.roll_diameter) for coil, camera in options.roll_mark
    ]
    return CoilSettings(
        frames=options.frames, cameras=options.cameras, roll_marks=tuple(marks), dark=_dark(options)
    )


def _dark(options: argparse.Namespace) -> tuple[DarkCamera, ...]:
    from training.synthetic import DarkCamera

    if (options.dark_camera is None) != (options.dark_coils is None):
        raise SettingsError("give --dark-camera and --dark-coils together")
    if options.dark_camera is None:
        return ()
    first, last = options.dark_coils
    return (DarkCamera(options.dark_camera, first, last, options.dark_light),)


def _coil_and_camera(text: str) -> tuple[int, int]:
    """Read `COIL` or `COIL:CAMERA`."""
    match = re.fullmatch(r"([0-9]+)(?::([0-9]+))?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not COIL or COIL:CAMERA, such as 12:1")
    return int(match[1]), int(match[2] or 1)


def _first_and_last(text: str) -> tuple[int, int]:
    """Read `FIRST-LAST`."""
    match = re.fullmatch(r"([0-9]+)-([0-9]+)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not FIRST-LAST, such as 17-24")
    return int(match[1]), int(match[2])
