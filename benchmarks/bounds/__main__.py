"""Measure what limits scoring on this machine, and write `BOUNDS.md`.

    python -m benchmarks.bounds [--data DIR] [--gate-weights FILE] [--rounds N]

Uses the pictures and the bundle of `benchmarks.scoring`, and creates them if they are missing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from benchmarks.bounds.arithmetic import ModelCost, cost, matrix_rate
from benchmarks.bounds.processes import Spent, watch_threads
from benchmarks.bounds.writing import Bounds, written
from benchmarks.scoring.field import Contender, command, forms_here
from benchmarks.scoring.material import Material, add_material_options, prepare, told_material
from steeldefect.bundle.files import Bundle, ModelName, open_bundle
from steeldefect.program.command import CommandParser, local_path, run_command
from steeldefect.runtimes import Precision, RuntimeChoice, form_of

_HERE = Path(__file__).parent.parent


def main() -> int:
    """Measure, write the document, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.bounds", description=__doc__)
    add_material_options(parser)
    parser.add_argument("--out", type=local_path, default=_HERE, help="folder of BOUNDS.md")
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    material = prepare(options.work, options.data, options.rounds, options.gate_weights)
    bundle = open_bundle(material.bundle)
    forms = [Precision(one) for one in forms_here()]
    print("measuring the models", flush=True)
    product = matrix_rate()
    costs = {form: _costs(bundle, form) for form in forms}
    bounds = Bounds(product, material.passing, len(os.sched_getaffinity(0)))
    spent: dict[Precision, Spent] = {}
    for form in forms:
        print(f"running the job at {form.value}", flush=True)
        spent[form] = _run(material, form, options)
    said = " ".join(["python -m benchmarks.bounds", *told_material(options)])
    pictures = material.unique * options.rounds
    text = written(said, bounds, costs, spent, pictures)
    (options.out / "BOUNDS.md").write_text(text, encoding="utf-8")
    print(f"written: {options.out / 'BOUNDS.md'}")


def _costs(bundle: Bundle, form: Precision) -> dict[ModelName, ModelCost]:
    kind = form_of(RuntimeChoice.OPENVINO, form)
    return {name: cost(bundle.model_path(name, kind), form) for name in ModelName}


def _run(material: Material, form: Precision, options: argparse.Namespace) -> Spent:
    work = options.work / "bounds"
    output = work / form.value
    shutil.rmtree(output, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    contender = Contender(f"job-{form.value}", "", None, form.value)
    line, environment = command(contender, material, options.rounds, output)
    return watch_threads(line, environment, output, work / f"{form.value}.log")


if __name__ == "__main__":
    sys.exit(main())
