"""Measure how much CPU time a shared encoder and cheaper upsampling save, and novelty costs.

    python benchmarks/shared_encoder.py --data DIR --recipe conf/recipes/strong.yaml

Four pairs of gate and segmenter are exported from one recipe, and run in turns, on one thread:

- two encoders, resized maps: a gate of kind `places` with its own encoder; compiled forms in which
  maps are doubled and joined before they are convolved
- two encoders: the same models, with the upsampling of `training.export.cheap_upsampling`
- shared encoder: a gate of kind `shared`, with the same upsampling
- shared encoder, novelty: the same, which also says how unlike clean pictures a picture is

A figure is the median CPU time of this process for one picture. Weights are random: the time does
not depend on them. Every picture goes to both models here; in production, only those that pass the
gate go to the segmenter. The last column is the gain if all pictures pass, and if none passes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steeldefect.program.command import CommandParser, local_path, positive, run_command

_RESIZED, _TWO, _SHARED = "two encoders, resized maps", "two encoders", "shared encoder"
_NOVEL = "shared encoder, novelty"
_PRECISIONS = ("f32", "bf16", "int8")
_PICTURES = 16  # pictures for the ranges of int8, and for the measurement


@dataclass(frozen=True)
class Cost:
    """CPU milliseconds for one picture."""

    gate: float
    segmenter: float


def main() -> int:
    """Measure, print the table, and return the exit code."""
    parser = CommandParser(prog="python benchmarks/shared_encoder.py", description=__doc__)
    parser.add_argument("--data", type=local_path, required=True, help="folder of pictures")
    parser.add_argument("--recipe", type=local_path, required=True, help="YAML file of settings")
    parser.add_argument("--turns", type=positive, default=25, help="turns; the table shows medians")
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    from benchmarks.machine import machine
    from steeldefect.runtimes import cpu_precisions
    from training.data.dataset import read_dataset

    dataset = read_dataset(Path(options.data))
    pictures = [one.read() for one in dataset.pictures[:_PICTURES]]
    served = {one.value for one in cpu_precisions()}
    print(f"CPU: {machine()['CPU']}")
    with tempfile.TemporaryDirectory() as folder:
        spec = _export(Path(folder), options.recipe, dataset, pictures)
        print("\n| precision | models | gate, ms | segmenter, ms | both, ms | times as fast |")
        print("|---|---|---:|---:|---:|---:|")
        for precision in (one for one in _PRECISIONS if one in served):
            _print(precision, _costs(Path(folder), precision, pictures, spec, options.turns))


def _print(precision: str, costs: dict[str, Cost]) -> None:
    first = costs[_RESIZED]
    for name, cost in costs.items():
        both = cost.gate + cost.segmenter
        gains = (first.gate + first.segmenter) / both, first.gate / cost.gate
        figures = f"{cost.gate:.2f} | {cost.segmenter:.2f} | {both:.2f}"
        print(f"| {precision} | {name} | {figures} | {gains[0]:.2f} to {gains[1]:.2f} |")


def _export(folder: Path, path: Path, dataset: Any, pictures: Sequence[Any]) -> Any:
    """Export the four pairs into subfolders; return the models' input."""
    from training.export.draft_manifest import draft_of_fit
    from training.export.staging import Models, Staged
    from training.models import build_gate, build_segmenter, for_export
    from training.models.encoders import ENCODER
    from training.models.gates import greatest_place
    from training.models.novelty import Odd
    from training.models.shared import in_two_parts
    from training.recipe import read_recipe

    shapes = [one.shape for one in dataset.pictures]
    segmenter = None
    for kind, name in (("places", _TWO), ("shared", _SHARED), ("shared", _NOVEL)):
        overrides = ["segmenter.weights=null", f"gate.kind={kind}"]
        recipe = read_recipe(path, overrides).for_pictures(shapes)
        spec = recipe.segmenter.spec
        if segmenter is None:
            built = build_segmenter(recipe.segmenter, len(dataset.class_names))[0]
            segmenter = for_export(built, spec)
        gate = build_gate(recipe.gate, segmenter)[0]
        if kind == "shared":
            features = segmenter.get_layer(ENCODER).output
            odd = Odd.standard(features, spec.height, spec.width) if name == _NOVEL else None
            models = Models(*in_two_parts(gate, segmenter, recipe.gate, odd))
        else:
            models = Models(greatest_place(for_export(gate, spec)), segmenter)
            _export_resized(folder / _RESIZED, models, spec, pictures)
        (folder / name).mkdir()
        novelty = _any_limit(len(dataset.class_names)) if name == _NOVEL else None
        draft = draft_of_fit(dataset, {}, recipe, (), 0.0, novelty)
        Staged(folder / name, models, draft).quantise(pictures)
    return spec


def _any_limit(classes: int) -> Any:
    from steeldefect.bundle.manifest import UNKNOWN, DefectClass, Novelty

    unknown = DefectClass(id=classes + 1, name=UNKNOWN)
    return Novelty(limit=0.5, unknown=unknown, clean_pictures=0, false_alarms=1.0)


def _export_resized(folder: Path, models: Any, spec: Any, pictures: Sequence[Any]) -> None:
    """Export models with their maps doubled and joined, as they were trained."""
    import openvino as ov

    from steeldefect.pictures.preprocessing import prepare
    from training.export.conversion import convert
    from training.export.quantise import quantise
    from training.export.upsampling import resized_at_once

    for form in ("openvino", "openvino_int8"):
        (folder / form).mkdir(parents=True)
    for name, model in models.named().items():
        converted = convert(resized_at_once(model), spec, folder)
        ov.save_model(converted, folder / f"openvino/{name.value}.xml", compress_to_fp16=False)
        target = folder / f"openvino_int8/{name.value}.xml"
        quantise(converted, target, pictures, lambda one: [prepare(one, spec)[None]])


def _costs(
    folder: Path, precision: str, pictures: Sequence[Any], spec: Any, turns: int
) -> dict[str, Cost]:
    """Run all pairs in turns; return the median costs by the name of the pair."""
    from steeldefect.pictures.preprocessing import resize
    from steeldefect.runtimes import (
        DeviceChoice,
        Precision,
        RuntimeChoice,
        RuntimeOptions,
        choose_engine,
        form_of,
    )
    from steeldefect.runtimes.openvino import OpenVinoRuntime

    options = RuntimeOptions(
        RuntimeChoice.OPENVINO, DeviceChoice.CPU, Precision(precision), threads=1
    )
    engine = choose_engine(options)
    batch = [resize(one, spec) for one in pictures[: engine.batch_size]]
    calls: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {}
    for name in (_RESIZED, _TWO, _SHARED, _NOVEL):
        form = folder / name / form_of(engine.runtime, engine.precision).value
        gate = OpenVinoRuntime(form / "gate.xml", engine)
        rest = OpenVinoRuntime(form / "segmenter.xml", engine)
        calls[name] = _calls(gate, rest, batch, spec, shared=name in (_SHARED, _NOVEL))
    times: dict[str, list[Cost]] = {name: [] for name in calls}
    for turn in range(turns + 1):
        for name, (gate_call, segmenter_call) in calls.items():
            cost = Cost(*(_cpu_ms(one) / len(batch) for one in (gate_call, segmenter_call)))
            if turn:  # the first turn warms up
                times[name].append(cost)
    return {
        name: Cost(
            statistics.median(one.gate for one in costs),
            statistics.median(one.segmenter for one in costs),
        )
        for name, costs in times.items()
    }


def _calls(
    gate: Any, rest: Any, batch: Sequence[Any], spec: Any, *, shared: bool
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return functions that run the gate, and then the segmenter, on a batch of pictures."""
    if not shared:
        return lambda: gate.answer(batch, spec), lambda: rest.answer(batch, spec)
    features: list[Any] = []

    def begin() -> None:
        features[:] = gate.answer_all(batch, spec)[1:]

    def go_on() -> None:
        for number in range(len(batch)):
            rest.go_on(tuple(one[number : number + 1] for one in features))

    return begin, go_on


def _cpu_ms(call: Callable[[], Any]) -> float:
    began = time.process_time()
    call()
    return 1000 * (time.process_time() - began)


if __name__ == "__main__":
    sys.exit(main())
