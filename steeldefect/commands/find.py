"""Find the defects of a few pictures, without Spark and tables."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from steeldefect.commands.arguments import add_overwrite_argument, existing_of
from steeldefect.errors import FailureShareError
from steeldefect.program.command import add_settings_arguments, local_path

if TYPE_CHECKING:
    from steeldefect.api.picture_result import PictureResult


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser("find", help="find the defects of a few pictures, without Spark")
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="files, or s3:// addresses")
    parser.add_argument(
        "--bundle", required=True, metavar="URI", help="address of the model bundle"
    )
    parser.add_argument(
        "--draw",
        type=local_path,
        metavar="OUT",
        help="draw the masks: OUT.png for one picture; else a folder that is new or empty, or that "
        "holds only drawings of this program, which are replaced",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    add_overwrite_argument(parser)
    add_settings_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the findings of each picture, and draw them if `--draw` is given.

    Raises:
        SettingsError: several pictures would be drawn into one file.
        FailureShareError: some of the pictures could not be scored; the others are printed.
    """
    from steeldefect.api.open_detector import open_detector
    from steeldefect.commands.find_drawings import drawings_of
    from steeldefect.settings import load_settings

    settings = load_settings(arguments.config, arguments.set)
    pictures = arguments.pictures
    with drawings_of(arguments.draw, len(pictures), existing_of(arguments), settings) as draw:
        detector = open_detector(arguments.bundle, settings=settings)
        failed = 0
        for result in detector.find_many(pictures):
            print(json.dumps(result.as_dict()) if arguments.json else _text_of(result))
            failed += result.error is not None
            draw(result)
    if failed:
        raise FailureShareError(f"{failed} of {len(pictures)} pictures could not be scored")


def _text_of(result: PictureResult) -> str:
    """Return a line for a result, and a line for each of its findings."""
    if result.error is not None:
        return f"{result.name}: not scored: {' '.join(str(result.error).split())}"
    probability = result.gate_probability
    told = [] if probability is None else [f"gate {probability:.3f}"]
    told += [] if result.novelty is None else [f"novelty {result.novelty:.2f}"]
    lines = [f"{result.name}: {result.verdict}" + (f" ({', '.join(told)})" if told else "")]
    for one in result.findings:
        box = one.box
        lines.append(
            f"  {one.class_id} {one.class_name}: {one.area} pixels, {one.regions} "
            f"region{'' if one.regions == 1 else 's'}, rows {box.top} to {box.bottom - 1}, columns "
            f"{box.left} to {box.right - 1}, mean probability {one.mean_probability:.3f}"
        )
    return "\n".join(lines)
