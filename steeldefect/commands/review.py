"""Ask people about doubtful pictures; each action is a command of its own below `review`."""

from __future__ import annotations

import argparse

from steeldefect.commands.arguments import (
    add_output_arguments,
    add_overwrite_argument,
    existing_of,
    output_of,
)
from steeldefect.program.command import local_path, positive
from steeldefect.program.new_files import new_file
from steeldefect.program.progress import say

FORMATS = ("coco", "cvat", "labelstudio", "masks", "kaggle", "yolo")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command, its actions and their arguments to the parser."""
    parser = commands.add_parser("review", help="ask people about doubtful pictures")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for add in (_add_pick, _add_export, _add_import):
        add(actions)


def _add_pick(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser(
        "pick", help="which pictures should a person look at, and why? A ranked queue"
    )
    parser.add_argument("--bundle", metavar="DIGEST", help="default: the bundle of the latest run")
    parser.add_argument(
        "--other",
        metavar="DIGEST",
        help="bundle to compare it with; default: the one that scored before it",
    )
    parser.add_argument(
        "--count", type=positive, default=100, help="number of pictures (default: 100)"
    )
    parser.add_argument(
        "--random-share",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="share that is drawn at random from all pictures (default: 0.1)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="chooses another random share (default: 0)"
    )
    parser.add_argument(
        "--to",
        type=local_path,
        metavar="FILE",
        help="write a file; its ending selects the format: .csv, .json, .parquet, .txt",
    )
    add_overwrite_argument(parser)
    add_output_arguments(parser)
    parser.set_defaults(run=run_pick)


def _add_export(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser(
        "export", help="write pictures and their masks for an annotation tool"
    )
    parser.add_argument(
        "--queue",
        required=True,
        type=local_path,
        metavar="FILE",
        help="pictures to export: a file that `review pick --to` wrote (columns source and key)",
    )
    parser.add_argument("--bundle", metavar="DIGEST", help="default: the bundle of the latest run")
    parser.add_argument("--to", required=True, choices=FORMATS, help="format of the annotations")
    parser.add_argument(
        "--folder", required=True, type=local_path, metavar="DIR", help="a new or empty folder"
    )
    parser.add_argument(
        "--shapes",
        choices=("masks", "polygons"),
        default="masks",
        help="cvat only: polygons are easier to edit, and lose holes (default: masks)",
    )
    add_output_arguments(parser)
    parser.set_defaults(run=run_export)


def _add_import(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser(
        "import", help="take corrections in: rows of the table reviews, and a training folder"
    )
    parser.add_argument(
        "--export",
        type=local_path,
        metavar="DIR",
        help="folder that `review export` wrote; leave it out for the verdicts of a morning page",
    )
    parser.add_argument(
        "--annotations",
        required=True,
        type=local_path,
        metavar="PATH",
        help="file or folder that the annotation tool wrote, or file that a morning page saved",
    )
    parser.add_argument(
        "--from", dest="format", choices=FORMATS, help="its format (default: that of the export)"
    )
    parser.add_argument(
        "--reviewer", metavar="NAME", help="who reviewed, where the annotations do not say"
    )
    parser.add_argument(
        "--to", type=local_path, metavar="DIR", help="write a data folder for training: a new one"
    )
    add_output_arguments(parser)
    parser.set_defaults(run=run_import)


def run_export(arguments: argparse.Namespace) -> None:
    """Write the export, and print what it holds and what its format cannot hold."""
    from steeldefect.review.export import export
    from steeldefect.review.formats import Format, Shapes
    from steeldefect.review.queue_reading import read_queue
    from steeldefect.settings import load_settings

    result = export(
        output_of(arguments),
        load_settings(arguments.config, arguments.set),
        read_queue(arguments.queue),
        arguments.folder,
        Format(arguments.to),
        arguments.bundle,
        Shapes(arguments.shapes),
    )
    print(f"{result.pictures} pictures in {arguments.folder}")
    for line in result.left_out:
        say(f"left out: {line}")
    if result.lost.pixels:
        say(
            f"{arguments.to} cannot hold {result.lost.holes} holes of regions: "
            f"{result.lost.pixels} pixels differ; a picture that nobody changes keeps them"
        )


def run_import(arguments: argparse.Namespace) -> None:
    """Take reviews in, and print how many pictures were confirmed and corrected."""
    if arguments.export is None:
        _import_verdicts(arguments)
        return
    from steeldefect.labels.label_csv import listed
    from steeldefect.review.formats import Format
    from steeldefect.review.imports import ImportRequest, import_reviews
    from steeldefect.settings import load_settings

    request = ImportRequest(
        arguments.export,
        arguments.annotations,
        None if arguments.format is None else Format(arguments.format),
        arguments.reviewer,
        arguments.to,
    )
    settings = load_settings(arguments.config, arguments.set)
    result = import_reviews(output_of(arguments), settings, request)
    print(f"{result.confirmed} pictures confirmed, {result.corrected} corrected")
    if not result.new:
        print("the tables held these reviews already")
    if result.missing:
        say(
            f"{len(result.missing)} pictures of the export did not come back, so nobody has "
            f"reviewed them: {listed(result.missing)}"
        )
    if result.new and not result.corrected:
        say("no mask was changed: are these the annotations that people have worked on?")
    if arguments.to is not None:
        print(f"data folder: {arguments.to}")


def _import_verdicts(arguments: argparse.Namespace) -> None:
    """Take in the verdicts of a morning page.

    Raises:
        SettingsError: an argument needs `--export`.
    """
    from steeldefect.errors import SettingsError
    from steeldefect.labels.label_csv import listed
    from steeldefect.review.page_verdicts import import_verdicts
    from steeldefect.settings import load_settings

    if arguments.format is not None or arguments.to is not None:
        raise SettingsError(
            "--from and --to need --export: without it, --annotations is the file that a morning "
            "page saved"
        )
    settings = load_settings(arguments.config, arguments.set)
    result = import_verdicts(
        output_of(arguments), settings, arguments.annotations, arguments.reviewer
    )
    print(f"{result.confirmed} pictures confirmed, {result.corrected} corrected")
    if result.redraw:
        say(
            f"{len(result.redraw)} pictures need other outlines: {listed(result.redraw)}; draw "
            "them in an annotation tool (steeldefect review export)"
        )
    if not result.new and result.confirmed + result.corrected:
        print("the tables held these reviews already")


def run_pick(arguments: argparse.Namespace) -> None:
    """Print the queue, or write it to a file.

    Raises:
        SettingsError: an argument is out of range, or the file's name has an unknown ending.
    """
    from steeldefect.analysis.forms import form_of
    from steeldefect.review.pick import Wanted, pick
    from steeldefect.review.queue_files import queue_text, write_queue
    from steeldefect.settings import load_settings

    wanted = Wanted(
        bundle=arguments.bundle,
        other=arguments.other,
        count=arguments.count,
        random_share=arguments.random_share,
        seed=arguments.seed,
    )
    settings = load_settings(arguments.config, arguments.set)
    store, file = output_of(arguments), arguments.to
    if file is None:
        queue = pick(store, settings, wanted)
        print(queue_text(queue))
    else:
        form = form_of(file)
        with new_file(file, existing_of(arguments)) as staged:
            queue = pick(store, settings, wanted)
            write_queue(queue, form, staged)
        print(f"{len(queue.rows)} rows in {file}")
    for note in queue.notes:
        say(note)
