"""What the watch looks at: names of the quantities, and which of them say what."""

from __future__ import annotations

from dataclasses import dataclass

GRAY_MEAN, GRAY_STD, SHARPNESS = "gray_mean", "gray_std", "sharpness"
CLIPPED_DARK, CLIPPED_BRIGHT, BLACK_MARGIN = "clipped_dark", "clipped_bright", "black_margin"
GATE_PROBABILITY = "gate_probability"
AREA, LENGTH = "area", "length"
DEFECTIVE_RATE, CLASS_RATE = "defective_rate", "class_rate"
FAILURE_RATE, CAMERA_SHARE = "failure_rate", "camera_share"

PICTURE_QUANTITIES = (
    *(GRAY_MEAN, GRAY_STD, SHARPNESS, CLIPPED_DARK, CLIPPED_BRIGHT, BLACK_MARGIN),
)
"""Measured on the pixels of each picture: columns of `images`. No model has part in them."""

SIZES = (AREA, LENGTH)
"""Measured on each defect, in pixels: columns of `defects`."""

RATES = (CAMERA_SHARE, FAILURE_RATE, DEFECTIVE_RATE, CLASS_RATE)

ANSWERS = (GATE_PROBABILITY, DEFECTIVE_RATE, CLASS_RATE, *SIZES)
"""What the models say; comparable only if one bundle made both."""

OF_THE_MIXTURE = (GATE_PROBABILITY, *RATES)
"""Quantities that depend on which pictures are taken; so a reference of chosen pictures, such as a
validation part, says nothing about them."""

ORDER = (*PICTURE_QUANTITIES, *RATES, GATE_PROBABILITY, *SIZES)
"""Order of the rows of one camera."""


@dataclass(frozen=True)
class Quantity:
    """One quantity, for one class if it has one.

    Attributes:
        name: one of `ORDER`.
        class_id: id of the class for class rates and sizes; None otherwise.
    """

    name: str
    class_id: int | None = None

    @property
    def key(self) -> str:
        """Return its text form, such as `gray_mean` or `area/3`."""
        return self.name if self.class_id is None else f"{self.name}/{self.class_id}"

    @classmethod
    def from_key(cls, key: str) -> Quantity:
        """Return the quantity of a text form.

        Raises:
            ValueError: the name is unknown, or the class is not a number.
        """
        name, slash, number = key.partition("/")
        if name not in ORDER:
            raise ValueError(f"unknown quantity {name!r}")
        return cls(name, int(number) if slash else None)

    @property
    def place(self) -> tuple[int, int]:
        """Return its place in the order of rows."""
        return ORDER.index(self.name), self.class_id or 0
