"""Measure scoring and its peers: one command, one table.

    python -m benchmarks.scoring [--data DIR] [--rounds N] [--repetitions N] [--only NAME]...

Every repetition runs all contenders, one after the other, so that a machine that becomes slower
becomes slower for all of them. The results so far are written after each contender.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.scoring import measuring, results
from benchmarks.scoring.beside import PICTURES as BESIDE_PICTURES
from benchmarks.scoring.beside import measure_beside
from benchmarks.scoring.field import REFERENCE, Contender, command, contenders
from benchmarks.scoring.material import Material, add_material_options, prepare, told_material
from benchmarks.scoring.measuring import Figures, Masks
from benchmarks.watching import BenchmarkError, watch
from steeldefect.bundle.files import open_bundle
from steeldefect.program.command import CommandParser, local_path, positive, run_command
from steeldefect.runtimes import Precision, RuntimeOptions, choose_engine

_HERE = Path(__file__).parent.parent
BESIDE = "beside"


def main() -> int:
    """Measure, write the table, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.scoring", description=__doc__)
    add_material_options(parser)
    parser.add_argument("--out", type=local_path, default=_HERE, help="folder of the results")
    parser.add_argument("--repetitions", type=positive, default=3, help="runs of each contender")
    parser.add_argument(
        "--go-on", action="store_true", help="add to the existing results of this machine"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        help=f"name of a contender to run, or {BESIDE} (the cost beside the models); default: all",
    )
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    material = prepare(options.work, options.data, options.rounds, options.gate_weights)
    compiled = open_bundle(material.bundle).manifest.compiled
    engine = choose_engine(RuntimeOptions(precision=Precision.AUTO), compiled)
    default = engine.precision.value
    field = _chosen(contenders(default), options.only)
    work = options.work / "answers"
    reference = _reference(material, work)
    found = results.Results(_command(options), default, material.unique, {}, [])
    if options.go_on:
        found = results.read_json(options.out / "results")
    turns = [
        contender
        for repetition in range(options.repetitions)
        for contender in _in_turn(field, repetition)
    ]
    began, failed = time.monotonic(), []
    for number, contender in enumerate(turns, start=1):
        try:
            if contender.name == f"job-{default}":
                found.first_seconds.append(_first_picture(material, work))
            run = _run(contender, material, contender.rounds(options.rounds), work, reference)
        except BenchmarkError as error:  # keep the results of the others: they take an hour
            failed.append(contender.name)
            print(f"{contender.name} failed: {error}", file=sys.stderr, flush=True)
            continue
        found.runs.setdefault(contender.name, []).append(run)
        minutes = (time.monotonic() - began) / 60
        left = minutes / number * (len(turns) - number)
        print(
            f"{number}/{len(turns)}  {contender.name:<16}{run.rate:8.2f} pictures/s  "
            f"{minutes:5.1f} minutes, about {left:.0f} left, {len(failed)} failed",
            flush=True,
        )
        _write(found, default, options.out)
    if not options.only or BESIDE in options.only:
        for _ in range(options.repetitions):
            found.beside.append(measure_beside(options.work, options.data, BESIDE_PICTURES))
            print(found.beside[-1], flush=True)
            _write(found, default, options.out)
    if failed:
        raise BenchmarkError(
            f"these contenders failed and are not in the table: {', '.join(failed)}"
        )
    print(f"the table is {options.out / 'RESULTS.md'}")


def _chosen(known: Sequence[Contender], names: Sequence[str]) -> list[Contender]:
    """Return the contenders of these names; all without names."""
    unknown = set(names) - {one.name for one in known} - {BESIDE}
    if unknown:
        listed = ", ".join([*(one.name for one in known), BESIDE])
        raise BenchmarkError(
            f"unknown contenders: {', '.join(sorted(unknown))}; choose from {listed}"
        )
    return [one for one in known if not names or one.name in names]


def _write(found: results.Results, default: str, out: Path) -> None:
    results.write_json(found, out / "results")
    results.write_markdown(found, contenders(default), out / "RESULTS.md", out / "results")


def _command(options: argparse.Namespace) -> str:
    """Return the command line, with variables in place of the folders of this machine."""
    given = told_material(options)
    given.append(f"--repetitions {options.repetitions}")
    given += [f"--only {name}" for name in options.only]
    return " ".join(["python -m benchmarks.scoring", *given])


def _in_turn(field: Sequence[Contender], repetition: int) -> list[Contender]:
    """Return the contenders in the order of a repetition: every second one is reversed."""
    return list(field) if repetition % 2 == 0 else list(reversed(field))


def _reference(material: Material, work: Path) -> Masks:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    answers = work / "reference.parquet"
    watch(*command(REFERENCE, material, 1, answers), log=work / "reference.log")
    return measuring.answers_of_peer(answers).masks


def _run(
    contender: Contender, material: Material, rounds: int, work: Path, reference: Masks
) -> Figures:
    answers = work / contender.name
    shutil.rmtree(answers, ignore_errors=True)
    line, environment = command(contender, material, rounds, answers)
    watched = watch(line, environment, log=work / f"{contender.name}.log")
    if contender.is_job:
        given, tables = measuring.answers_of_job(answers), answers
        return measuring.figures(watched, given, reference, tables)
    return measuring.figures(watched, measuring.answers_of_peer(answers), reference, None)


def _first_picture(material: Material, work: Path) -> float:
    """Run the job on one picture; return the seconds from its start until it is published."""
    contender = Contender("first-picture", "", None, "auto")
    output = work / contender.name
    shutil.rmtree(output, ignore_errors=True)
    line, environment = command(contender, material, 0, output)
    watched = watch(line, environment, log=work / f"{contender.name}.log")
    return measuring.answers_of_job(output).done[-1][0] - watched.began


if __name__ == "__main__":
    sys.exit(main())
