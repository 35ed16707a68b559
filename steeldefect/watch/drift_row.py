"""One row of the table `drift`: one quantity of one camera, compared with the reference."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DriftRow:
    """One comparison.

    Attributes:
        camera: the camera; None for all pictures together.
        quantity: name of the quantity.
        class_id, class_name: the class; None if the quantity has none.
        reference: name of the reference.
        reference_count, night_count: values (or pictures, for rates) behind each side.
        reference_value, night_value: median, or rate; None without a value.
        distance: Kolmogorov-Smirnov distance, or absolute difference of the rates; None if the
            quantity was not compared.
        threshold: smallest distance that raises an alarm; None if not compared, or if so few
            values or coils can raise none.
        p_value: probability of at least this distance without any change; None if not compared.
        level: p-value at which this row counts as certain: its share of alpha.
        design_effect: pictures of the night per independent picture; 1 if coils are unknown.
        alarm: whether the distance reaches the threshold.
        sentence: what was found, and its likely cause; or why the quantity was not compared.
    """

    camera: str | None
    quantity: str
    class_id: int | None
    class_name: str | None
    reference: str
    reference_count: int
    night_count: int
    reference_value: float | None
    night_value: float | None
    sentence: str
    distance: float | None = None
    threshold: float | None = None
    p_value: float | None = None
    level: float | None = None
    design_effect: float | None = None
    alarm: bool = False
