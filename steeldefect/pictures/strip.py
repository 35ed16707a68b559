"""Where a picture lies on the strip, and how large its pixels are.

A picture's place comes from its key, by a pattern with named groups, and from the columns of an
inventory, which win. Whatever is stated nowhere is unknown (None), never a guess.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
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


class Axis(str, Enum):
    """An axis of the picture: `x` along its rows, `y` along its columns."""

    X = "x"
    Y = "y"


class PixelSize(BaseModel):
    """Width (`x`) and height (`y`) of a pixel in millimetres."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: float = Field(gt=0, allow_inf_nan=False)
    y: float = Field(gt=0, allow_inf_nan=False)


class PlaceSettings(BaseModel):
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

    @field_validator("attributes")
    @classmethod
    def _others(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse names that have columns of their own."""
        known = [name for name in names if name.strip().lower() in PLACE_COLUMNS]
        if known:
            raise ValueError(f"{known[0]} is read in any case; leave it out")
        return names

    @model_validator(mode="after")
    def _frames_are_found(self) -> PlaceSettings:
        if {"frame", "position_mm"} <= self.groups:
            raise ValueError("key_pattern: name frame or position_mm, not both")
        return self


class Place(NamedTuple):
    """Where a picture lies on the strip; None where unknown.

    Attributes:
        coil, camera, side: names.
        position_mm: place of the picture's first pixel along the strip.
        captured_at: time at which the picture was taken.
        pixel_mm_x, pixel_mm_y: width and height of a pixel.
        attributes: other values that the settings ask for.
    """

    coil: str | None = None
    camera: str | None = None
    side: str | None = None
    position_mm: float | None = None
    captured_at: datetime | None = None
    pixel_mm_x: float | None = None
    pixel_mm_y: float | None = None
    attributes: Mapping[str, str] | None = None

    @property
    def pixel_mm(self) -> tuple[float, float] | None:
        """Width and height of a pixel; None if one of them is unknown."""
        if self.pixel_mm_x is None or self.pixel_mm_y is None:
            return None
        return (self.pixel_mm_x, self.pixel_mm_y)


_NOTHING: Mapping[str, Any] = {}


class Places:
    """Finds the places of pictures, by the settings of a run."""

    def __init__(self, settings: PlaceSettings) -> None:
        """Compile the pattern."""
        pattern = settings.key_pattern
        self.settings = settings
        self._pattern = None if pattern is None else re.compile(pattern)

    def of(self, key: str, given: str | None = None) -> Place:
        """Return the place of a picture.

        Args:
            key: key of the picture.
            given: what an inventory states, as `stated_place` writes it; None if nothing.

        Raises:
            DataError: a group of the pattern that has to be a number or a time is none.
        """
        return self.placed(key, self.groups_of(key) or {}, json.loads(given) if given else {})

    def groups_of(self, key: str) -> dict[str, Any] | None:
        """Return what the pattern finds in a key, without empty groups; None if it does not fit."""
        match = self._pattern.search(key) if self._pattern else None
        if match is None:
            return None
        return {name: value for name, value in match.groupdict().items() if value}

    def placed(
        self, key: str, groups: Mapping[str, Any], given: Mapping[str, Any] = _NOTHING
    ) -> Place:
        """Return the place that groups of the pattern and an inventory state; see `of`."""
        found = {**groups, **given}
        size = self.settings.pixel_mm
        x, y = _number(found, "pixel_mm_x", key), _number(found, "pixel_mm_y", key)
        attributes = {name: value for name, value in found.items() if name not in PLACE_COLUMNS}
        return Place(
            coil=found.get("coil"),
            camera=found.get("camera"),
            side=found.get("side"),
            position_mm=self._first_known([given, groups], key),
            captured_at=_moment(found.get(CAPTURED_AT), key),
            pixel_mm_x=size.x if x is None and size else x,
            pixel_mm_y=size.y if y is None and size else y,
            attributes=attributes or None,
        )

    def _first_known(self, sources: Sequence[Mapping[str, Any]], key: str) -> float | None:
        """Return the position that the first source states, itself or by the number of a frame."""
        positions = [self._position(source, key) for source in sources]
        return next((one for one in positions if one is not None), None)

    def _position(self, found: Mapping[str, Any], key: str) -> float | None:
        position, frame = _number(found, "position_mm", key), _number(found, "frame", key)
        if position is not None or frame is None or self.settings.frame_mm is None:
            return position
        return _number({"position_mm": frame * self.settings.frame_mm}, "position_mm", key)


def stated_place(row: Mapping[str, Any]) -> str | None:
    """Write what one row of an inventory states about a place, as compact JSON; None if nothing.

    Args:
        row: values by column: of `PLACE_COLUMNS`, and attributes as texts; None is not stated.
    """
    stated = {name: value for name, value in row.items() if value is not None}
    return json.dumps(stated, ensure_ascii=False, separators=(",", ":")) if stated else None


def read_moment(value: str) -> datetime:
    """Read a time; without a zone it is UTC.

    Args:
        value: ISO 8601 with `T` or a blank between date and time, or a date alone, or digits:
            `20260304`, `20260304050607`, seconds (10 digits, perhaps with a fraction) or
            milliseconds (13 digits) since 1970.

    Raises:
        ValueError: it is none of these.
    """
    text = value.strip()
    if digits := _EPOCH.fullmatch(text):
        seconds = float(text) / (1_000 if len(digits[1]) == _MILLISECONDS else 1)
        return datetime.fromtimestamp(seconds, UTC)
    if _COMPACT.fullmatch(text):
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    if not _ISO.fullmatch(text):
        raise ValueError(f"not a time: {value!r}")
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _number(found: Mapping[str, Any], name: str, key: str) -> float | None:
    value = found.get(name)
    if value is None:
        return None
    plain = not isinstance(value, str) or _NUMBER.fullmatch(value) is not None
    number = float(value) if plain else math.nan
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
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_MILLISECONDS = 13  # digits of the milliseconds since 1970
_EPOCH = re.compile(r"(\d{10}|\d{13})(\.\d+)?", re.ASCII)
_COMPACT = re.compile(r"\d{14}", re.ASCII)
_ISO = re.compile(r"\d{4}-?\d{2}-?\d{2}([T ].+)?", re.ASCII)
