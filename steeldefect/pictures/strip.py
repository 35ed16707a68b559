"""Where a picture lies on the strip, and how large its pixels are.

A picture's place comes from its key, by a pattern with named groups, and from the columns of an
inventory, which win. Whatever is stated nowhere is unknown (None), never a guess.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from steeldefect.errors import DataError

NAMES = ("coil", "camera", "side")
NUMBERS = ("position_mm", "pixel_mm_x", "pixel_mm_y", "frame")
CAPTURED_AT = "captured_at"
PLACE_COLUMNS = (*NAMES, *NUMBERS, CAPTURED_AT)
"""Names of groups of a key pattern, and of columns of an inventory, that state a place."""

_DAY = 86_400


class Axis(str, Enum):
    """An axis of the picture: `x` along its rows, `y` along its columns."""

    X = "x"
    Y = "y"


class PixelSize(BaseModel):
    """Width (`x`) and height (`y`) of a pixel in millimetres."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: float = Field(gt=0, allow_inf_nan=False)
    y: float = Field(gt=0, allow_inf_nan=False)


class StripSettings(BaseModel):
    """Section `strip` of the settings: scale and place of the pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pixel_mm: PixelSize | None = None
    along: Axis | None = None
    key_pattern: str | None = None
    frame_mm: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    attributes: tuple[str, ...] = ()

    @field_validator("pixel_mm", mode="before")
    @classmethod
    def _both_sides(cls, given: Any) -> Any:
        """Accept one number for square pixels, and a list of width and height."""
        if isinstance(given, int | float) and not isinstance(given, bool):
            return {"x": given, "y": given}
        if isinstance(given, list | tuple) and len(given) == 2:
            return {"x": given[0], "y": given[1]}
        return given

    @field_validator("key_pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        if not groups:
            raise ValueError("has no named group; name what it finds, for example (?P<coil>[^/]+)/")
        return pattern

    @property
    def groups(self) -> frozenset[str]:
        """Names of the groups of `key_pattern`."""
        return frozenset(re.compile(self.key_pattern or "").groupindex)

    @property
    def asked_of_inventory(self) -> tuple[str, ...]:
        """The attributes that only an inventory can state."""
        return tuple(name for name in self.attributes if name not in self.groups)

    @model_validator(mode="after")
    def _frames_are_found(self) -> StripSettings:
        if {"frame", "position_mm"} <= self.groups:
            raise ValueError("key_pattern: name frame or position_mm, not both")
        return self


class Place(NamedTuple):
    """Where a picture lies on the strip; None where unknown.

    Attributes:
        coil, camera, side: names.
        position_mm: place of the picture's first pixel along the strip.
        captured_at: time at which the picture was taken.
        pixel_mm: width and height of a pixel.
        attributes: other values that the settings ask for.
    """

    coil: str | None = None
    camera: str | None = None
    side: str | None = None
    position_mm: float | None = None
    captured_at: datetime | None = None
    pixel_mm: tuple[float, float] | None = None
    attributes: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Places:
    """Finds the places of pictures, by the settings of a run."""

    settings: StripSettings
    _pattern: re.Pattern[str] | None = field(init=False)

    def __post_init__(self) -> None:
        """Compile the pattern."""
        pattern = self.settings.key_pattern
        object.__setattr__(self, "_pattern", None if pattern is None else re.compile(pattern))

    def fits(self, key: str) -> bool:
        """Return whether the pattern is found in a key; without a pattern, all keys fit."""
        return self._pattern is None or self._pattern.search(key) is not None

    def of(self, key: str, given: str | None = None) -> Place:
        """Return the place of a picture.

        Args:
            key: key of the picture.
            given: what an inventory states, as `stated_place` writes it; None if nothing.

        Raises:
            DataError: a group of the pattern that has to be a number or a time is none.
        """
        found = self._found(key)
        if given:
            found |= json.loads(given)
        position, frame = _number(found, "position_mm", key), _number(found, "frame", key)
        if position is None and frame is not None and self.settings.frame_mm is not None:
            position = frame * self.settings.frame_mm
        return Place(
            coil=found.get("coil"),
            camera=found.get("camera"),
            side=found.get("side"),
            position_mm=position,
            captured_at=_moment(found.get(CAPTURED_AT), key),
            pixel_mm=self._pixel_mm(found, key),
            attributes={name: value for name, value in found.items() if name not in PLACE_COLUMNS}
            or None,
        )

    def _found(self, key: str) -> dict[str, Any]:
        """Return what the pattern finds in a key."""
        match = self._pattern.search(key) if self._pattern else None
        groups = match.groupdict() if match else {}
        return {name: value for name, value in groups.items() if value is not None}

    def _pixel_mm(self, found: Mapping[str, Any], key: str) -> tuple[float, float] | None:
        size = self.settings.pixel_mm
        x = _number(found, "pixel_mm_x", key) or (size.x if size else None)
        y = _number(found, "pixel_mm_y", key) or (size.y if size else None)
        return None if x is None or y is None else (x, y)


def stated_place(row: Mapping[str, Any]) -> str | None:
    """Write what one row of an inventory states about a place, as compact JSON; None if nothing.

    Args:
        row: values by column: of `PLACE_COLUMNS`, and attributes as texts. None and empty texts
            are not stated.
    """
    stated = {name: value for name, value in row.items() if value is not None and value != ""}
    return json.dumps(stated, ensure_ascii=False, separators=(",", ":")) if stated else None


def read_moment(value: str) -> datetime:
    """Read a time: ISO 8601 in any of its forms, or seconds since 1970; without a zone it is UTC.

    Raises:
        ValueError: it is neither.
    """
    text = value.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        seconds = float(text)
        if not _DAY < abs(seconds) < 1e11:
            raise ValueError(f"not a time: {value!r}") from None
        return datetime.fromtimestamp(seconds, UTC)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _number(found: Mapping[str, Any], name: str, key: str) -> float | None:
    value = found.get(name)
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (name.startswith("pixel_mm") and number <= 0):
        needed = "a number above 0" if name.startswith("pixel_mm") else "a number"
        raise DataError(f"{key}: {name} is {value!r}, expected {needed}; {_CURE}")
    return number


def _moment(value: str | None, key: str) -> datetime | None:
    if value is None:
        return None
    try:
        return read_moment(value)
    except (ValueError, OverflowError):
        raise DataError(f"{key}: {CAPTURED_AT} is {value!r}, expected a time; {_CURE}") from None


_CURE = "correct strip.key_pattern, or the inventory"
