"""Cut a wave into tasks that all end at about the same time.

Tasks should take the same time, not the same number of pictures. The run measures the rate of its
tasks; the rate is known when the first wave has ended. Two waves have been cut by then, by a number
of pictures. Towards the end of the last wave, tasks get smaller, so that no core works on a long
task while the others are idle. Other waves do not need this: the next wave uses their idle cores
(`steeldefect.scoring.waves`).
"""

from __future__ import annotations

_SHARE_OF_THE_REST = 2
"""Near the end, a task gets at most (pictures left) / (this factor x concurrent tasks)."""

_LEAST_SECONDS = 1.0  # a shorter task costs more to start than it saves at the end
_LEAST_PICTURES = 8


def pictures_for(seconds: float, rate: float | None, unknown: int) -> int:
    """Compute the number of pictures for a task of some seconds.

    Args:
        seconds: duration that the task should have.
        rate: pictures per second of one task, measured in this run; None while it is not known.
        unknown: result while the rate is not known.
    """
    return unknown if rate is None else max(1, round(seconds * rate))


def task_sizes(pictures: int, at_once: int, target: int, least: int, last: bool) -> list[int]:
    """Compute the sizes of a wave's tasks.

    Args:
        pictures: number of pictures of the wave.
        at_once: number of tasks that run at the same time.
        target: number of pictures for a task; tasks get fewer if the wave is too small to occupy
            all `at_once` tasks.
        least: smallest size of the shrinking tasks at the end.
        last: whether this is the run's last wave.

    Returns:
        Number of pictures of each task, in the order in which tasks start; the sum is `pictures`.
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
    """Compute the smallest size of the shrinking tasks; see `task_sizes`."""
    return pictures_for(_LEAST_SECONDS, rate, _LEAST_PICTURES)
