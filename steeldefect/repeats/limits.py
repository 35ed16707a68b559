"""What is searched, and when it counts: settings of the search for rolls and for fixed places."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_TURNS = 24
"""Most turns from the first to the last mark of a comb; a found roll is followed further."""

MAX_INNER = 62
"""Most events between the first and the last mark of a comb."""


class RollSettings(BaseModel):
    """How marks of rolls are searched.

    Attributes:
        min_period_mm, max_period_mm: circumferences that are searched.
        tolerance: largest distance of a mark from its turn, as a share of the period. With marks
            that scatter by 1% of the period, 3.5% keeps 99 of 100.
        lane_mm: width of a lane across the strip; marks of a roll lie within half of it.
        merge_mm: defects of a lane that lie closer along the strip are one event.
        min_marks: fewest marks of a roll.
        min_fill: smallest share of the turns that have a mark.
        gap_turns: turns without a mark after which a roll has ended.
        alpha: largest corrected p-value that is reported.
        max_rolls: most repeats that are searched on one coil.
        budget: most distances that one search of a coil computes (about 30 ns each).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_period_mm: float = Field(default=300.0, gt=0, allow_inf_nan=False)
    max_period_mm: float = Field(default=6000.0, gt=0, allow_inf_nan=False)
    tolerance: float = Field(default=0.035, gt=0, le=0.1)
    lane_mm: float = Field(default=40.0, gt=0, allow_inf_nan=False)
    merge_mm: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    min_marks: int = Field(default=4, ge=4, le=MAX_TURNS)
    min_fill: float = Field(default=0.6, ge=0.55, le=1)
    gap_turns: int = Field(default=6, ge=1, le=MAX_TURNS)
    alpha: float = Field(default=0.005, gt=0, lt=1)
    max_rolls: int = Field(default=8, ge=1)
    budget: int = Field(default=20_000_000, ge=1_000_000)

    @model_validator(mode="after")
    def _periods_in_order(self) -> RollSettings:
        if self.min_period_mm >= self.max_period_mm:
            raise ValueError("min_period_mm: expected less than max_period_mm")
        if self.merge_mm > self.min_period_mm / 4:
            raise ValueError("merge_mm: expected at most a quarter of min_period_mm")
        return self


class FixedPlaceSettings(BaseModel):
    """How fixed places of the picture are searched.

    Attributes:
        cell_px: width and height of a place in pixels; centroids of dirt lie within half of it.
        reach: cells on each side that a place is compared with.
        min_coils: fewest coils that a fixed place was seen on.
        min_ratio: smallest number of coils, as a multiple of what the places around let expect.
        alpha: largest corrected p-value that is reported.
        max_places: most places that are reported for one camera.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell_px: int = Field(default=32, ge=4)
    reach: int = Field(default=8, ge=2)
    min_coils: int = Field(default=4, ge=2)
    min_ratio: float = Field(default=2.0, ge=1, allow_inf_nan=False)
    alpha: float = Field(default=0.01, gt=0, lt=1)
    max_places: int = Field(default=50, ge=1)
