"""Choose the size of a wave: about a minute of work of the whole cluster.

A shorter wave is published before the last one's commit has paid off, and leaves less than a task's
worth of work to each core. A longer one is lost as a whole in a crash. The rate of the tasks is
known when the first wave has ended. Two waves have been cut by then.
"""

from __future__ import annotations

_SECONDS = 60.0  # that a wave should take
_FIRST_SECONDS = 10.0
_CAUTIOUS_RATE = 5.0
"""Pictures per second of one task while none is measured. A core scores about 7 with the networks
of the recipe `tutorial` at f32 (benchmarks/RESULTS.md). If a task is ten times slower, the first
wave takes about two minutes; if it is faster, the first wave ends sooner, and the rate is known."""

_LEAST_FIRST = 500
"""Least size while no rate is known. On two cores, 50 pictures a task would be 100: six damaged
ones among them would be over `max_failure_share`, and end the night."""

_MOST_PICTURES = 100_000
"""Largest size. The driver reads the rows of a wave back to audit them, which takes seconds at this
size (docs/scale.md). A cluster that is so fast would wait for the audit of a larger wave."""


def wave_pictures(at_once: int, rate: float | None) -> int:
    """Compute the number of pictures for the next wave.

    Args:
        at_once: number of tasks that run at the same time.
        rate: pictures per second of one task, measured in this run; None while it is not known.

    Returns:
        At least one picture for each task, and at most 100,000 pictures, if that is more.
    """
    if rate is None:
        wanted = max(at_once * _FIRST_SECONDS * _CAUTIOUS_RATE, _LEAST_FIRST)
    else:
        wanted = at_once * rate * _SECONDS
    return max(at_once, min(round(wanted), _MOST_PICTURES))
