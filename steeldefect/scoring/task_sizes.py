"""How a wave is cut into tasks, so that all of them end at about the same time.

Tasks are meant to take equally long, not to hold equally many pictures: how fast this run's tasks
are is known once its first wave has ended, so that the first two waves are cut by count. Towards
the end of the last wave tasks get smaller, so that no core is left alone with a long one; other
waves need no such end, because the next wave already fills the cores that they leave
(`steeldefect.scoring.waves`).
"""

from __future__ import annotations

_SHARE_OF_THE_REST = 2
"""Near the end, a task takes at most what is left, shared by this many times the tasks at once."""

_LEAST_SECONDS = 1.0  # a task of less would cost more to start than it saves at the end
_LEAST_PICTURES = 8


def pictures_for(seconds: float, rate: float | None, unknown: int) -> int:
    """Tell how many pictures a task takes that is to run for so many seconds.

    Args:
        seconds: a task is to take.
        rate: pictures a second of one task, as measured in this run; None: not known yet.
        unknown: pictures of a task while the rate is not known.
    """
    return unknown if rate is None else max(1, round(seconds * rate))


def task_sizes(pictures: int, at_once: int, target: int, least: int, last: bool) -> list[int]:
    """Cut a wave.

    Args:
        pictures: of the wave.
        at_once: tasks that run at once.
        target: pictures for a task; fewer where the wave would not occupy all of these.
        least: pictures below which tasks do not shrink towards the end.
        last: whether no other wave follows.

    Returns:
        How many pictures each task takes, in the order in which they start; the sum is `pictures`.
    """
    most = max(1, min(target, -(-pictures // at_once)))
    if not last:
        tasks = -(-pictures // most)
        return [pictures * (i + 1) // tasks - pictures * i // tasks for i in range(tasks)]
    sizes, left = [], pictures
    while left:
        shrunk = max(least, -(-left // (_SHARE_OF_THE_REST * at_once)))
        sizes.append(min(most, shrunk, left))
        left -= sizes[-1]
    return sizes


def least_pictures(rate: float | None) -> int:
    """Tell how small tasks may get towards the end; see `task_sizes`."""
    return pictures_for(_LEAST_SECONDS, rate, _LEAST_PICTURES)
