"""Compare the forms of a bundle with Keras: masks, losses and times; also gate and segmenter mixed.

    python benchmarks/forms.py --bundle BUNDLE --data DIR

The pictures are those of DIR that the bundle was not fitted on (all, with `--all`). Each row is a
precision of the gate and one of the segmenter, which run together, as in scoring. `masks` is the
pooled Dice with Keras' masks. Times are CPU milliseconds of a picture on one core: gate + share of
these pictures that passes x segmenter.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steeldefect.bundle.files import Bundle, ModelName, open_bundle
from steeldefect.bundle.manifest import CpuPrecision, precision_name
from steeldefect.detection.detector import Detector
from steeldefect.program.command import CommandParser, local_path, run_command
from steeldefect.runtimes import (
    Precision,
    RuntimeChoice,
    RuntimeOptions,
    choose_engine,
    cpu_precisions,
    open_runtime,
)
from training.data.dataset import LabelledPicture, read_dataset
from training.evaluation.run_detector import run_detector
from training.export.compare_forms import ModelFigures, compare_gate, compare_segmenter
from training.export.drops import Drop
from training.export.run_forms import Answers
from training.export.time_forms import Runtimes, this_cpu, time_forms
from training.splitting.files import read_split
from training.splitting.split import SPLIT_NAME

_KERAS = RuntimeOptions(runtime=RuntimeChoice.TENSORFLOW, threads=0)

Times = Mapping[tuple[CpuPrecision, ModelName], float]
Pair = tuple[CpuPrecision, CpuPrecision]
"""Precision of the gate, and of the segmenter."""


@dataclass(frozen=True)
class Row:
    """One pair of precisions, compared with Keras; `gate` is None without a gate."""

    pair: Pair
    segmenter: ModelFigures
    gate: ModelFigures | None


def main() -> int:
    """Compare, print the table, and return the exit code."""
    parser = CommandParser(prog="python benchmarks/forms.py", description=__doc__)
    parser.add_argument("--bundle", type=local_path, required=True, help="folder of the bundle")
    parser.add_argument("--data", type=local_path, required=True, help="labelled pictures")
    parser.add_argument("--all", action="store_true", help="also pictures of the train part")
    return run_command(parser, _run)


def _run(options: argparse.Namespace) -> None:
    bundle = open_bundle(options.bundle)
    parts = read_split(bundle.folder / SPLIT_NAME, read_dataset(options.data).pictures)
    pictures = [*parts.validation, *parts.test, *(parts.train if options.all else ())]
    served = [*sorted(cpu_precisions() - {CpuPrecision.INT8}), CpuPrecision.INT8]
    models = {one: _runtimes(bundle, one, threads=0) for one in served}
    single = {one: _runtimes(bundle, one, threads=1) for one in served}
    times = time_forms(single, bundle.manifest, [one.read() for one in pictures[:4]])
    keras = {name: open_runtime(bundle, name, choose_engine(_KERAS)) for name in bundle.models}
    expected, passed = _run_pair(_detector(bundle, keras, keras), pictures)
    rows = []
    for pair in _pairs(bundle, served):
        found, _ = _run_pair(_detector(bundle, models[pair[0]], models[pair[1]]), pictures)
        rows.append(_row(bundle, pictures, expected, found, pair))
    _print(rows, times, len(pictures), passed / len(pictures))


def _runtimes(bundle: Bundle, precision: CpuPrecision, threads: int) -> Runtimes:
    options = RuntimeOptions(
        runtime=RuntimeChoice.OPENVINO, precision=Precision(precision.value), threads=threads
    )
    return {name: open_runtime(bundle, name, choose_engine(options)) for name in bundle.models}


def _pairs(bundle: Bundle, served: Sequence[CpuPrecision]) -> list[Pair]:
    """Return the precisions alone, then, with a gate, all mixed ones with int8."""
    pairs = [(one, one) for one in served]
    if ModelName.GATE in bundle.models:
        others = [one for one in served if one is not CpuPrecision.INT8]
        pairs += [(CpuPrecision.INT8, one) for one in others]
        pairs += [(one, CpuPrecision.INT8) for one in others]
    return pairs


def _detector(bundle: Bundle, gate: Runtimes, segmenter: Runtimes) -> Detector:
    return Detector(
        bundle.manifest, gate.get(ModelName.GATE), segmenter[ModelName.SEGMENTER], any_size=True
    )


def _run_pair(detector: Detector, pictures: Sequence[LabelledPicture]) -> tuple[Answers, int]:
    """Return the answers, and the number of pictures that pass the gate."""
    results = run_detector(detector, pictures)
    answers = Answers([one.probability for one in results], [one.masks for one in results])
    return answers, sum(one.passed for one in results)


def _row(
    bundle: Bundle,
    pictures: Sequence[LabelledPicture],
    expected: Answers,
    found: Answers,
    pair: Pair,
) -> Row:
    class_ids = [one.id for one in bundle.manifest.classes]
    gate = bundle.manifest.gate
    return Row(
        pair,
        compare_segmenter(pictures, class_ids, expected, found),
        None if gate is None else compare_gate(gate, pictures, expected, found),
    )


def _print(rows: Sequence[Row], times: Times, pictures: int, passing: float) -> None:
    print(f"CPU: {this_cpu().name}; {pictures} pictures, {passing:.1%} reach the segmenter\n")
    for (precision, name), milliseconds in times.items():
        print(f"- {name.value}, {precision.value}: {milliseconds:.2f} ms")
    print(
        "\n| gate + segmenter | masks | drop of positives-only Dice, 95% | drop of gate recall, "
        "95% | largest gate difference | ms a picture |\n|---|---|---|---|---|---|"
    )
    for row in rows:
        cells = [
            precision_name(*(one.value for one in row.pair)),
            "-" if row.segmenter.mask_dice is None else f"{row.segmenter.mask_dice:.4f}",
            _drop(row.segmenter.drop),
            "-" if row.gate is None else _drop(row.gate.drop),
            "-" if row.gate is None else f"{row.gate.gate_difference:.2g}",
            f"{_milliseconds(row.pair, times, passing):.1f}",
        ]
        print(f"| {' | '.join(cells)} |")


def _milliseconds(pair: Pair, times: Times, passing: float) -> float:
    gate = times.get((pair[0], ModelName.GATE), 0.0)
    return gate + passing * times[pair[1], ModelName.SEGMENTER]


def _drop(drop: Drop) -> str:
    if drop.value is None or drop.interval is None:
        return "-"
    return f"{drop.value:+.4f} ({drop.interval[0]:+.4f} to {drop.interval[1]:+.4f})"


if __name__ == "__main__":
    sys.exit(main())
