"""Measure the watch: false alarms on nights without a change, and faults that it finds.

    python -m benchmarks.watch.drift [--nights N] [--found N] [--work FOLDER]

All pictures are drawn by this project (`training.synthetic`): one archive of coils, measured once.
References and nights are drawn from it with replacement, so without a fault nothing has changed.
Four ways: single pictures; whole coils; whole coils whose names nobody knows (to show what that
costs); and single pictures against a reference of 400 validation pictures without cameras.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.stats import beta

from benchmarks.machine import machine
from benchmarks.watch.archive import Archive, load_archive
from benchmarks.watch.nights import Draw, double, draw, seen, showing, thinned
from steeldefect.program.command import CommandParser, local_path, positive, run_command
from steeldefect.watch import DriftReport, Observed, Reference, compare, make_reference, profile

_COILS, _FRAMES, _SEED = 100, 40, 1
_NIGHT, _REFERENCE, _VALIDATION = 1000, 4000, 400
_NIGHTS_OF_A_REFERENCE = 10
_CLASS = 4
_BASE_RATES = (0.01, 0.02, 0.05, 0.1)


def main() -> int:
    """Measure, print the figures, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.watch.drift", description=__doc__)
    parser.add_argument("--nights", type=positive, default=2000, help="without a change (2,000)")
    parser.add_argument("--found", type=positive, default=200, help="nights of each fault (200)")
    parser.add_argument("--work", type=local_path, default=Path("build/watch"))
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    archive = load_archive(options.work, _COILS, _FRAMES, _SEED)
    pictures = len(archive.pictures)
    print(f"{machine()['CPU']}; archive of {pictures:,} pictures of {_COILS} coils, seed {_SEED}")
    print(f"nights of {_NIGHT:,} pictures of 4 cameras, references of {_REFERENCE:,}\n")
    _false_alarms(archive, options.nights)
    _faults(archive, options.found)
    _rare_classes(archive, options.found)


def _false_alarms(archive: Archive, nights: int) -> None:
    print(f"nights without a change that raise an alarm, of {nights:,} (seed 11)")
    for how, validation in (
        (Draw.PICTURES, False),
        (Draw.COILS, False),
        (Draw.COILS_UNKNOWN, False),
        (Draw.PICTURES, True),
    ):
        rng, began = np.random.default_rng(11), time.perf_counter()
        rows: Counter[str] = Counter()
        alarms = 0
        for number in range(nights):
            if number % _NIGHTS_OF_A_REFERENCE == 0:
                reference = _reference(archive, rng, how, validation)
            report = _report(reference, seen(archive, draw(archive, rng, _NIGHT, how), how))
            alarms += bool(report.alarms)
            rows.update(row.quantity for row in report.alarms)
        name = how.value + (", validation pictures" if validation else "")
        seconds = (time.perf_counter() - began) / nights
        print(f"  {name:34} {_share(alarms, nights)}  {1000 * seconds:.0f} ms a night", end="")
        print(f"  rows: {dict(rows)}" if rows else "")


def _faults(archive: Archive, nights: int) -> None:
    print(f"\nnights of a fault that are found, of {nights:,} (seed 12)")
    names = (
        *("darker", "darker at camera 2", "blurred", "blurred_before_grain"),
        *("blurred_before_grain at camera 2", "silent camera 2", "black camera 2", "doubled class"),
    )
    for how, validation in ((Draw.PICTURES, False), (Draw.COILS, False), (Draw.PICTURES, True)):
        print(f"  {how.value}{', validation pictures' if validation else ''}")
        for name in names:
            if validation and name in ("silent camera 2", "doubled class"):
                print(f"    {name:34} cannot be found: the reference knows no cameras and no rates")
                continue
            _one_fault(archive, nights, how, validation, name)


def _one_fault(archive: Archive, nights: int, how: Draw, validation: bool, name: str) -> None:
    rng = np.random.default_rng(12)
    found = wrong = 0
    said: Counter[str] = Counter()
    for number in range(nights):
        if number % _NIGHTS_OF_A_REFERENCE == 0:
            reference = _reference(archive, rng, how, validation)
        report = _report(reference, _faulty(archive, rng, how, name))
        hits = _expected(report, name)
        found += bool(hits)
        wrong += any(row.camera not in (None, "2") for row in report.alarms)
        said.update(hits[:1])
    also = f"  a sound camera alarms too: {wrong / nights:.1%}" if "camera 2" in name else ""
    print(f"    {name:34} {_share(found, nights)}{also}")
    for sentence, _ in said.most_common(1):
        print(f"      e.g. {sentence}")


def _faulty(archive: Archive, rng: np.random.Generator, how: Draw, name: str) -> Observed:
    """Return a night with a fault."""
    drawn = draw(archive, rng, _NIGHT, how)
    fault, _, camera = name.partition(" at camera ")
    if name == "silent camera 2":
        dropped = archive.pictures["camera"].to_numpy()[drawn.rows] == "2"
        return seen(archive, drawn.without(dropped), how)
    if name == "black camera 2":
        return seen(archive, drawn, how, "black", ["2"])
    if name == "doubled class":
        return seen(archive, double(archive, rng, drawn, _CLASS), how)
    return (
        seen(archive, drawn, how, fault, [camera]) if camera else seen(archive, drawn, how, fault)
    )


def _expected(report: DriftReport, name: str) -> list[str]:
    """Return the sentences of the alarms that name the fault: its quantity, and its camera."""
    quantity = {
        "darker": "gray_mean",
        "blurred": "sharpness",
        "blurred_before_grain": "sharpness",
        "silent": "camera_share",
        "black": "gray_mean",
        "doubled": "class_rate",
    }[name.split(maxsplit=1)[0]]
    camera = "2" if "camera 2" in name else None
    return [
        row.sentence
        for row in report.alarms
        if row.quantity == quantity
        and (camera is None or row.camera == camera)
        and row.class_id in (None, _CLASS)
    ]


def _rare_classes(archive: Archive, nights: int) -> None:
    print(f"\nnights on which a class is twice as frequent, found, of {nights:,} (seed 13)")
    rates = (*_BASE_RATES, float(showing(archive, _CLASS).mean()))
    for how in (Draw.PICTURES, Draw.COILS):
        for rate in rates:
            rng = np.random.default_rng(13)
            rarer = thinned(archive, _CLASS, rate, seed=13)
            found = 0
            for number in range(nights):
                if number % _NIGHTS_OF_A_REFERENCE == 0:
                    reference = _reference(rarer, rng, how, validation=False)
                drawn = double(rarer, rng, draw(rarer, rng, _NIGHT, how), _CLASS)
                report = _report(reference, seen(rarer, drawn, how))
                found += bool(_expected(report, "doubled class"))
            print(f"  {how.value:10} base rate {rate:5.1%}  {_share(found, nights)}")


def _reference(
    archive: Archive, rng: np.random.Generator, how: Draw, validation: bool
) -> Reference:
    pictures = _VALIDATION if validation else _REFERENCE
    what = seen(archive, draw(archive, rng, pictures, how), how)
    if validation:
        images = what.images.assign(camera=None, coil=None)
        what = Observed(what.bundle, what.classes, images, what.found, what.regions, what.failed)
    return make_reference(what, "drawn", as_they_come=not validation)


def _report(reference: Reference, night: Observed) -> DriftReport:
    return compare(profile(night), reference)


def _share(count: int, of: int) -> str:
    """Return a share with its 95% interval (Clopper and Pearson)."""
    low = float(beta.ppf(0.025, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, of - count)) if count < of else 1.0
    return f"{count / of:7.2%} ({low:.2%} to {high:.2%})"


if __name__ == "__main__":
    sys.exit(main())
