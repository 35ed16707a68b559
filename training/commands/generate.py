"""`python -m training generate`: draw a labelled data set, or make one from a plant's pictures."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steeldefect.errors import SettingsError
from steeldefect.program.command import local_path, positive

if TYPE_CHECKING:
    from training.compositing import Order
    from training.synthetic import CoilSettings, DarkCamera, RollMark

_DIAMETER_MM = 300.0
_LIGHT = 0.4
_OF_MADE = ("split", "fold", "textures", "bundle", "mask_size", "clean_share")
_OF_COILS = ("frames", "cameras", "roll_mark", "dark_camera", "dark_coils")


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "generate",
        help="draw a labelled data set of steel strips, or make one from a plant's own pictures",
        description="Without --like and --masks, steel and defects are drawn. With --like, defects "
        "of labelled pictures are blended into clean steel of the same plant. With --masks, the "
        "masks of a file say which defects there are, and where.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("--data", type=local_path, required=True, help="folder to write")
    parser.add_argument("--pictures", type=positive, required=True, help="number of pictures")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--first", type=int, default=0, help="number of the first picture")
    _add_made(parser.add_argument_group("pictures made from a plant's own"))
    _add_coils(parser.add_argument_group("coils and cameras of drawn pictures"))


def _add_made(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--like",
        type=local_path,
        metavar="DIR",
        help="folder of labelled pictures: their defects, on their clean steel, as often and at "
        "such places as there",
    )
    parser.add_argument(
        "--split",
        type=local_path,
        metavar="FILE",
        help="split file of --like: only pictures of the train part are used (default: all)",
    )
    parser.add_argument("--fold", type=int, metavar="N", help="fold of the split file, from 0")
    parser.add_argument(
        "--textures",
        type=local_path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder of unlabelled pictures; those that count as clean are used as steel; "
        "repeatable",
    )
    parser.add_argument(
        "--bundle",
        type=local_path,
        metavar="DIR",
        help="bundle that says which of them are clean: it finds nothing there (default: a test of "
        "their contrast)",
    )
    parser.add_argument(
        "--masks",
        type=local_path,
        action="append",
        default=[],
        metavar="FILE",
        help="run lengths, as in train.csv, of pictures that need not be there: they say which "
        "defects there are, and where; repeatable",
    )
    parser.add_argument(
        "--mask-size",
        type=_height_and_width,
        metavar="HEIGHTxWIDTH",
        help="size of the pictures of these masks, such as 256x1600 (default: that of --like)",
    )
    parser.add_argument(
        "--clean-share",
        type=float,
        metavar="SHARE",
        help="share of clean pictures (default: as in --masks or --like)",
    )


def _add_coils(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--frames",
        type=positive,
        metavar="N",
        help="pictures of a coil, by each camera; their names then state coil and frame (default: "
        "no coils)",
    )
    parser.add_argument(
        "--cameras",
        type=positive,
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
    """Draw or make the pictures, and print their folder.

    Raises:
        DataError: the pictures or masks to make them from cannot be used.
        SettingsError: a number is out of range, or options do not fit each other.
    """
    if options.like is None and not options.masks:
        _draw(options)
    else:
        _make(options)


def _draw(options: argparse.Namespace) -> None:
    _refuse(options, _OF_MADE, "belong to --like or --masks")

    from training.synthetic import generate

    generate(
        options.data,
        pictures=options.pictures,
        seed=options.seed,
        first=options.first,
        coils=_coils(options),
    )
    print(f"{options.pictures} pictures in {options.data}")


def _make(options: argparse.Namespace) -> None:
    _refuse(options, _OF_COILS, "are for drawn pictures, without --like and --masks")

    from training.compositing import make_pictures

    made = make_pictures(options.data, _order(options))
    left_out = sum(one.without_place for one in made)
    clean = sum(not one.truth.runs for one in made)
    note = f", {left_out} defects found no place" if left_out else ""
    print(f"{len(made)} pictures ({clean} clean) in {options.data}{note}")


def _refuse(options: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    values = {name: getattr(options, name) for name in names}
    given = [
        f"--{name.replace('_', '-')}" for name, value in values.items() if value not in (None, [])
    ]
    if given:
        raise SettingsError(f"{', '.join(given)}: these options {why}")


def _order(options: argparse.Namespace) -> Order:
    from training.compositing import Order

    textures: list[Path] = options.textures
    masks: list[Path] = options.masks
    return Order(
        pictures=options.pictures,
        seed=options.seed,
        first=options.first,
        like=options.like,
        split_file=options.split,
        fold=options.fold,
        textures=tuple(textures),
        bundle=options.bundle,
        masks=tuple(masks),
        mask_size=options.mask_size,
        clean_share=options.clean_share,
    )


def _coils(options: argparse.Namespace) -> CoilSettings:
    from training.synthetic import CoilSettings, RollMark

    marks: list[RollMark] = [
        RollMark(coil, camera, options.roll_diameter) for coil, camera in options.roll_mark
    ]
    return CoilSettings(
        frames=options.frames or 0,
        cameras=options.cameras or 0,
        roll_marks=tuple(marks),
        dark=_dark(options),
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


def _height_and_width(text: str) -> tuple[int, int]:
    """Read `HEIGHTxWIDTH`."""
    match = re.fullmatch(r"([1-9][0-9]*)x([1-9][0-9]*)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH, such as 256x1600")
    return int(match[1]), int(match[2])
