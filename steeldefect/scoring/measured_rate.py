"""Measure how many pictures a task scores in a second."""

from __future__ import annotations


class MeasuredRate:
    """The rate of the tasks of a run so far.

    In the first wave, each task opens the models and the connections of its process. So its rate
    is forgotten when the second wave has been measured.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._waves = 0
        self._pictures = 0
        self._seconds = 0.0

    def add(self, pictures: int, seconds: float) -> None:
        """Count a wave.

        Args:
            pictures: number of pictures that its tasks scored or quarantined.
            seconds: seconds of all its tasks.
        """
        self._waves += 1
        if self._waves == 2:
            self._pictures, self._seconds = 0, 0.0
        self._pictures += pictures
        self._seconds += seconds

    @property
    def of_a_task(self) -> float | None:
        """Pictures per second of one task; None while no wave has ended."""
        return self._pictures / self._seconds if self._seconds else None
