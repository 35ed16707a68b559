"""Plan a run like the job, score nothing, and print when the first and the last wave was there.

    python -m benchmarks.growth.plan_once INPUT BUNDLE OUTPUT INVENTORY

The waves have 100,000 pictures. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
import time

from steeldefect.run import open_run
from steeldefect.settings import ScoreRequest, load_settings

_WAVE = 100_000


def main() -> None:
    """Plan, take all waves, and print the figures."""
    began = time.monotonic()
    source, bundle, output, inventory = sys.argv[1:]
    with open_run(ScoreRequest(source, bundle, output, load_settings(None, []), inventory)) as run:
        read = time.monotonic() - began
        run.recover()
        run.make_plan()
        first, pictures = None, 0
        for wave in run.plan.waves(lambda: _WAVE):
            first = first or time.monotonic() - began
            pictures += wave.keys.num_rows
        counts = run.plan.counts
    figures = {
        "keys": counts.listed,
        "new": pictures,
        "inventory_seconds": read,
        "first_wave_seconds": first,
        "seconds": time.monotonic() - began,
        "cpu_seconds": time.process_time(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
