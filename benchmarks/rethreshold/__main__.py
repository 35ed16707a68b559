"""Measure `steeldefect rethreshold` on generated masks, and how many bytes the masks take.

    python -m benchmarks.rethreshold [--pictures N]

Each mask is an ellipse of 20 to 160 columns, kept at the levels 0.3, 0.5, 0.7 and 0.9; 0.5 is the
bundle's own threshold.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.rethreshold.masks import CLASS, write_tables
from steeldefect.program.command import CommandParser, local_path, positive, run_command
from steeldefect.stores import open_store


def main() -> int:
    """Measure, print the figures, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.rethreshold", description=__doc__)
    parser.add_argument("--pictures", type=positive, default=100_000, help="pictures (100,000)")
    parser.add_argument("--work", type=local_path, default=Path("build/rethreshold"))
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    shutil.rmtree(options.work, ignore_errors=True)
    output = options.work / "scored"
    write_tables(open_store(str(output)), options.pictures, seed=1)
    kept, found = (_bytes(output / name) for name in ("mask_levels", "predictions"))
    print(f"{machine()['CPU']}; {options.pictures:,} pictures, each with one defect")
    print(
        f"mask_levels {kept / 2**20:.1f} MiB, predictions {found / 2**20:.1f} MiB: "
        f"{kept / found:.2f} times as many"
    )
    asked = ["--class", str(CLASS), "--min-area", "500"]
    target = str(options.work / "answer")
    for more in (["--threshold", "0.7"], ["--threshold", "0.7", "--to", target]):
        print(f"rethreshold {' '.join(more)}: {_seconds(output, asked + more):.1f} s")


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def _seconds(output: Path, arguments: list[str]) -> float:
    """Return the seconds that the command takes as a process of its own."""
    program = [sys.executable, "-m", "steeldefect", "rethreshold", "--output", str(output)]
    began = time.monotonic()
    subprocess.run([*program, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
