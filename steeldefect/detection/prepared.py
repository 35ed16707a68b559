"""A picture resized for the models."""

from __future__ import annotations

from dataclasses import dataclass

from steeldefect.pictures.preprocessing import Gray


@dataclass(frozen=True)
class Prepared:
    """A picture resized for the models, uint8 (h, w), but not scaled yet.

    Many prepared pictures wait for the models; scaled, they would take several times the memory.
    If both models take the same size, both attributes hold the same array.

    Attributes:
        shape: (height, width) of the picture before it was resized.
        for_gate: the gate's input; None without a gate.
        for_segmenter: the segmenter's input.
    """

    shape: tuple[int, int]
    for_gate: Gray | None
    for_segmenter: Gray
