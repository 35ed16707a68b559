"""The settings of the watch: when a change raises an alarm, and which repeats are searched."""

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


class WatchSettings(BaseModel):
    """What is watched after a scoring run, and when a change raises an alarm.

    A change raises an alarm if chance cannot explain it, and if it is also large enough to matter.
    With 100,000 pictures, a shift of 1% of a standard deviation is certain, and of no interest.

    Attributes:
        after_score: whether a scoring run ends with the watch.
        reference: id of the scoring run that later runs are compared with, or its first characters;
            None for the reference of the bundle.
        days: number of days before a run whose defects are searched for repeats with its own.
        alpha: probability of any false alarm in one night, above 0 to 0.1. Half of it is shared
            equally by the rows over all cameras, half by the rows of single cameras (Bonferroni).
        min_distance: smallest Kolmogorov-Smirnov distance that raises an alarm, 0 to 1. 0.075 is
            the distance of two normal distributions whose means differ by a fifth of their standard
            deviation.
        min_odds_ratio: smallest change of a rate that raises an alarm, as a ratio of odds, at
            least 1. At 1.5, 1% becomes 1.5%, or 50% becomes 60%.
        min_share_ratio: the same for a camera's share of the pictures. It is greater because the
            shares of the other cameras grow when one is silent: with four cameras, by 1.5.
        unlike_distance: smallest distance of one camera from a reference that knows no cameras,
            0 to 1. Cameras differ from each other; each is far from the mixture of all.
        min_count: a quantity is compared only if night and reference each have this many values.
        rolls: how marks of rolls are searched.
        fixed_places: how fixed places of the pictures are searched.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    after_score: bool = True
    reference: str | None = None
    days: int = Field(default=2, ge=0, le=365)
    alpha: float = Field(default=0.01, gt=0, le=0.1)
    min_distance: float = Field(default=0.075, ge=0, le=1)
    min_odds_ratio: float = Field(default=1.5, ge=1, allow_inf_nan=False)
    min_share_ratio: float = Field(default=2.0, ge=1, allow_inf_nan=False)
    unlike_distance: float = Field(default=0.5, ge=0, le=1)
    min_count: int = Field(default=20, ge=2)
    rolls: RollSettings = RollSettings()
    fixed_places: FixedPlaceSettings = FixedPlaceSettings()
