"""Measure Dice against cost, so that a user picks models by what they cost.

    python -m benchmarks.pareto --data DIR NAME=BUNDLE[,BUNDLE...] ...
        [--precision f32 bf16 int8] [--variant mirror mirrors holes] [--svg FILE]

Each name is a bundle, or several seeds of one fit, and a row for each precision. All bundles must
have one test part. Dice is that of the test part, with the bundle's own thresholds; its interval is
over groups of pictures, the pictures of all seeds together. Cost is the CPU time of both models on
one core: gate + share of these pictures that passes x segmenter. A variant changes the answers, not
the thresholds; its gain is the paired difference to the bundle as it is. *Front* marks rows that no
other row beats in both.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.pareto.drawing import draw
from benchmarks.pareto.measuring import VARIANTS, Measured, measure, on_front
from steeldefect.bundle.files import Bundle, open_bundle
from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.errors import SettingsError
from steeldefect.program.command import CommandParser, local_path, run_command
from steeldefect.program.progress import say
from training.data.dataset import LabelledPicture, read_dataset
from training.export.time_forms import this_cpu
from training.splitting.files import read_split
from training.splitting.parts import regrouped
from training.splitting.split import SPLIT_NAME
from training.splitting.views import find_near_duplicates, join_groups

_RULE = "|---|---|---|---|---|---|---:|---:|---|"


def main() -> int:
    """Measure, print the table, draw, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.pareto", description=__doc__)
    parser.add_argument("models", nargs="+", metavar="NAME=BUNDLE[,BUNDLE...]")
    parser.add_argument("--data", type=local_path, required=True, help="labelled pictures")
    kinds = [one.value for one in CpuPrecision]
    parser.add_argument("--precision", nargs="+", choices=kinds, default=["bf16"])
    parser.add_argument("--variant", nargs="+", choices=[*VARIANTS][1:], default=[])
    parser.add_argument("--svg", type=local_path, help="file of the chart")
    return run_command(parser, _run)


def _run(options: argparse.Namespace) -> None:
    named = {name: _opened(paths) for name, paths in map(_parsed, options.models)}
    pictures = _test_part(options.data, [one for group in named.values() for one in group])
    variants = {name: VARIANTS[name] for name in (next(iter(VARIANTS)), *options.variant)}
    rows: list[Measured] = []
    for name, bundles in named.items():
        for precision in options.precision:
            say(f"{name}, {precision}: {len(bundles)} x {len(pictures)} pictures")
            rows += measure(name, bundles, pictures, CpuPrecision(precision), variants)
    defective = sum(bool(one.runs) for one in pictures)
    groups = len({one.group for one in pictures})
    print(f"CPU: {this_cpu().name}")
    print(f"{len(pictures)} test pictures, {defective} defective, in {groups} groups\n")
    print("\n".join(_table(rows)))
    if options.svg is not None:
        draw(rows, f"{options.data.name}: {len(pictures)} test pictures", options.svg)


def _parsed(text: str) -> tuple[str, list[Path]]:
    name, _, paths = text.partition("=")
    if not paths:
        raise SettingsError(f"{text}: write NAME=BUNDLE, or NAME=BUNDLE,BUNDLE")
    return name, [Path(one) for one in paths.split(",")]


def _opened(paths: Sequence[Path]) -> list[Bundle]:
    return [open_bundle(one) for one in paths]


def _test_part(data: Path, bundles: Sequence[Bundle]) -> list[LabelledPicture]:
    """Return the test part that all bundles have; near-duplicates are in one group.

    Raises:
        SettingsError: their test parts differ.
    """
    everything = read_dataset(data).pictures
    parts = [read_split(one.folder / SPLIT_NAME, everything) for one in bundles]
    names = {tuple(sorted(one.name for one in part.test)) for part in parts}
    if len(names) > 1:
        raise SettingsError("these bundles have different test parts; fit them with one --split")
    groups = join_groups(everything, find_near_duplicates(everything))
    return regrouped(parts[0].test, groups)


def _table(rows: Sequence[Measured]) -> list[str]:
    head = "| models | precision | positives-only Dice, 95% | gain, 95% | pooled Dice | gate AUC "
    lines = [f"{head}| ms a picture | pictures/s and core | front |", _RULE]
    for row, stays in zip(rows, on_front(rows), strict=True):
        gain = "" if row.gain is None else f"{row.gain[0]:+.3f} ({_signed(row.gain[1])})"
        cells = [
            *(row.name, row.precision.value, f"{row.dice:.3f} ({row.interval or '-'})", gain),
            *(f"{row.pooled:.3f}", "-" if row.auc is None else f"{row.auc:.3f}"),
            *(f"{row.milliseconds:.1f}", f"{row.rate:.0f}", "yes" if stays else ""),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _signed(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:+.3f} to {interval[1]:+.3f}"


if __name__ == "__main__":
    sys.exit(main())
