"""Pairs: which quantity of the night is compared with which of the reference, or why it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from steeldefect.watch.profiles import Profile, Profiles
from steeldefect.watch.quantities import (
    ANSWERS,
    CAMERA_SHARE,
    OF_THE_MIXTURE,
    PICTURE_QUANTITIES,
    RATES,
    Quantity,
)
from steeldefect.watch.reference import Reference
from steeldefect.watch.samples import Count, Sample
from steeldefect.watch_settings import WatchSettings

Values = Sample | Count

_NOTHING = Profile(0, {}, {})


@dataclass(frozen=True)
class Pair:
    """One quantity of one camera, on both sides.

    Attributes:
        camera: the camera; None for all pictures.
        quantity: the quantity.
        before, now: both samples, or both counts; without values if there are none.
        least: smallest effect that is of interest: a distance, or a ratio of odds.
        reason: why the two are not compared; None if they are.
    """

    camera: str | None
    quantity: Quantity
    before: Values
    now: Values
    least: float
    reason: str | None


def pairs_of(night: Profiles, reference: Reference, settings: WatchSettings) -> list[Pair]:
    """Return the pairs of all pictures, then of each camera.

    A camera's share of the pictures is known if cameras are: 0 for a camera that sent nothing. If
    the reference knows no cameras, each camera is compared with all its pictures.
    """
    made = _Pairs(night, reference, settings)
    pairs = list(made.of(None, reference.profiles.overall, night.overall))
    known = reference.profiles.cameras
    for camera in sorted({*known, *night.cameras}) if night.cameras else []:
        before = known.get(camera, _NOTHING) if known else reference.profiles.overall
        pairs += made.of(camera, before, night.cameras.get(camera, _NOTHING))
    return pairs


@dataclass(frozen=True)
class _Pairs:
    """Makes the pairs of one comparison."""

    night: Profiles
    reference: Reference
    settings: WatchSettings

    def of(self, camera: str | None, before: Profile, now: Profile) -> Iterator[Pair]:
        """Yield the pairs of one camera, in the order of the rows."""
        old: dict[str, Values] = {**before.samples, **before.counts}
        old |= self._share(camera, self.reference.profiles.cameras)
        new: dict[str, Values] = {**now.samples, **now.counts}
        new |= self._share(camera, self.night.cameras)
        for quantity in sorted(map(Quantity.from_key, {*old, *new}), key=lambda one: one.place):
            nothing: Values = Count(0, 0) if quantity.name in RATES else Sample(0, ())
            first, second = old.get(quantity.key, nothing), new.get(quantity.key, nothing)
            reason = self._reason(camera, quantity, first, second)
            yield Pair(camera, quantity, first, second, self._least(camera, quantity), reason)

    def _share(self, camera: str | None, cameras: Mapping[str, Profile]) -> dict[str, Values]:
        """Return the camera's share of the pictures; of 0 if other cameras' shares are known."""
        if camera is None:
            return {}
        shares = [
            one.counts[CAMERA_SHARE] for one in cameras.values() if CAMERA_SHARE in one.counts
        ]
        if camera in cameras or not shares:
            return {}
        coils = shares[0].clusters and replace(shares[0].clusters, correlation=None)
        return {CAMERA_SHARE: Count(0, shares[0].n, coils)}

    def _least(self, camera: str | None, quantity: Quantity) -> float:
        if quantity.name == CAMERA_SHARE:
            return self.settings.min_share_ratio
        if quantity.name in RATES:
            return self.settings.min_odds_ratio
        if camera is not None and not self.reference.profiles.cameras:
            return self.settings.unlike_distance
        return self.settings.min_distance

    def _reason(
        self, camera: str | None, quantity: Quantity, before: Values, now: Values
    ) -> str | None:
        """Return why two sides cannot be compared; None if they can."""
        name, profiles = quantity.name, self.reference.profiles
        if name in ANSWERS and profiles.bundle != self.night.bundle:
            return "another bundle made the answers of the reference"
        if name in OF_THE_MIXTURE and not self.reference.as_they_come:
            return "the pictures of the reference were chosen, so their rates say nothing"
        if camera is not None and not profiles.cameras and name not in PICTURE_QUANTITIES:
            return "the reference knows no cameras"
        for where, values in (("the reference", before), ("the night", now)):
            if values.n == 0:
                return f"{where} has no value"
            if values.n < self.settings.min_count:
                return f"{where} has {values.n} values, {self.settings.min_count} are needed"
        return None
