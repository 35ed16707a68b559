"""Measure the plan of many keys: seconds, and the memory of the driver's Python process.

    python -m benchmarks.growth.many_keys [--keys N] [--new N] [--work FOLDER] [--out FILE]

An inventory of `--keys` keys is planned, of which all but `--new` were scored before. The run
begins like the job: it checks the bundle, reads the inventory, checks the tables and plans. Nothing
is scored. Inventory and tables are generated, and kept in `--work` for the next time.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.growth.scored_before import write_inventory, write_tables
from benchmarks.growth.stand_in import make_archive, make_bundle
from benchmarks.machine import machine
from benchmarks.watching import DRIVER, watch
from steeldefect.program.command import CommandParser, local_path, positive, run_command

_HERE = Path(__file__).parents[1]
_PICTURES = 30  # files of the archive; the other keys of the inventory are names only


def main() -> int:
    """Measure, write, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.growth.many_keys", description=__doc__)
    parser.add_argument("--keys", type=positive, default=10_000_000, help="keys of the inventory")
    parser.add_argument("--new", type=positive, default=1_000_000, help="keys not scored before")
    parser.add_argument("--work", type=local_path, default=Path("build/many-keys"))
    parser.add_argument("--out", type=local_path, default=_HERE / "many_keys.json")
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    bundle = make_bundle(work / "bundle")
    archive = make_archive(work / "archive", _PICTURES)
    name = f"{options.keys}-{options.new}"
    inventory, output = work / f"keys-{name}.parquet", work / f"tables-{name}"
    ready = work / f"ready-{name}"
    if not ready.exists():
        write_inventory(inventory, archive, options.keys, _PICTURES)
        write_tables(output, archive, inventory, bundle, skip=options.new)
        ready.touch()
    program = [sys.executable, "-m", "benchmarks.growth.plan_once"]
    log = work / f"plan-{name}.log"
    watched = watch([*program, *map(str, (archive, bundle, output, inventory))], {}, log)
    figures = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
    figures["driver_bytes"] = watched.peaks[DRIVER]
    content = {"machine": machine(), "plan": figures}
    options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(content["machine"]["CPU"])
    print(
        f"{figures['keys']} keys, {figures['new']} of them new: {figures['seconds']:.0f} s "
        f"({figures['cpu_seconds']:.0f} s of CPU time), of which {figures['inventory_seconds']:.0f}"
        f" s read the inventory; the first wave after {figures['first_wave_seconds']:.0f} s; "
        f"driver's Python process: {figures['driver_bytes'] / 2**20:.0f} MiB"
    )


if __name__ == "__main__":
    sys.exit(main())
