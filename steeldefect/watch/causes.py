"""Likely causes: several quantities of one camera are read together.

These are rules of thumb of what a camera does when its lamp, its focus or its steel changes. They
name where to look first; they prove nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from steeldefect.watch.drift_row import DriftRow
from steeldefect.watch.facts import who
from steeldefect.watch.quantities import (
    BLACK_MARGIN,
    CAMERA_SHARE,
    CLIPPED_BRIGHT,
    CLIPPED_DARK,
    FAILURE_RATE,
    GRAY_MEAN,
    GRAY_STD,
    PICTURE_QUANTITIES,
    SHARPNESS,
    SIZES,
)

_BLACK_GRAY = 10.0  # median gray level of pictures without light
_FLAT_GRAY = 2.0  # median deviation of gray of pictures without any structure
_WHITE_SHARE = 0.5  # median share of clipped bright pixels
_SHARPNESS_BAND = (0.8, 1.25)  # sharpness for its brightness, as a ratio, that counts as the same

FOLLOWS = "it follows from the brightness"
ELSEWHERE = "it comes from "
"""Beginnings of causes that another row states in full."""

Rows = Mapping[tuple[str, int | None], DriftRow]


def likely_causes(rows: Sequence[DriftRow]) -> list[str | None]:
    """Return the likely cause of each row's alarm; None for rows without an alarm."""
    scopes: dict[str | None, dict[tuple[str, int | None], DriftRow]] = {}
    for row in rows:
        scopes.setdefault(row.camera, {})[row.quantity, row.class_id] = row
    return [_cause(row, scopes) if row.alarm else None for row in rows]


def _cause(row: DriftRow, scopes: Mapping[str | None, Rows]) -> str:
    if row.camera is None:
        shared = _among_cameras(row, scopes)
        if shared is not None:
            return shared
    own = scopes[row.camera]
    if row.quantity in PICTURE_QUANTITIES:
        return _of_pictures(own)[row.quantity]
    if row.quantity == FAILURE_RATE:
        return "the table quarantine says why; files are damaged, or a store did not answer"
    if row.quantity == CAMERA_SHARE:
        return _of_share(row, scopes)
    return _of_answer(row, scopes)


def _among_cameras(row: DriftRow, scopes: Mapping[str | None, Rows]) -> str | None:
    """Return what single cameras say about an alarm over all pictures; None if nothing."""
    same = [
        rows[row.quantity, row.class_id]
        for camera, rows in scopes.items()
        if camera is not None and (row.quantity, row.class_id) in rows
    ]
    compared = [one for one in same if one.distance is not None]
    changed = [who(one.camera) for one in compared if one.alarm]
    if changed and _others_are_calm(compared):
        return f"{ELSEWHERE}{_joined(changed)}; see there"
    if row.quantity in PICTURE_QUANTITIES and len(changed) == len(compared) > 1:
        own = _of_pictures(scopes[None])[row.quantity]
        return f"{own}; every camera shows it, so look for a common cause"
    silent = _silent(scopes)
    if silent and row.quantity in PICTURE_QUANTITIES:
        return f"the mixture of cameras is another one: {_joined(silent)} sent no picture"
    return None


def _others_are_calm(compared: Sequence[DriftRow]) -> bool:
    """Return whether the cameras without an alarm moved by less than half of those with one."""
    moved = [one.distance or 0.0 for one in compared if one.alarm]
    calm = [one.distance or 0.0 for one in compared if not one.alarm]
    return bool(calm) and max(calm) < min(moved) / 2


def _of_pictures(own: Rows) -> dict[str, str]:
    """Return the cause for each quantity of the pictures of one camera."""
    single = _single_cause(own)
    if single is not None:
        return dict.fromkeys(PICTURE_QUANTITIES, single)
    light = _light(own)
    causes = {
        GRAY_MEAN: light or "lamp, exposure or lens",
        SHARPNESS: _sharpness(own),
        GRAY_STD: light or "dirt on the lens, fog, or another surface of the steel",
        CLIPPED_DARK: light or "exposure, or something dark in the pictures",
        CLIPPED_BRIGHT: light or "exposure, or a reflection",
        BLACK_MARGIN: "the strip is broader, narrower or beside its place, or the camera has moved",
    }
    if light is None and _is_down(own, SHARPNESS):
        causes |= dict.fromkeys((GRAY_STD, CLIPPED_BRIGHT), causes[SHARPNESS])
    return causes


def _single_cause(own: Rows) -> str | None:
    """Return the one cause that makes all other statistics of the pictures meaningless."""
    gray, spread = _alarm(own, GRAY_MEAN), _alarm(own, GRAY_STD)
    white = _alarm(own, CLIPPED_BRIGHT)
    if gray is not None and _now(gray) < _BLACK_GRAY:
        return "the pictures are black: camera dead, covered or without light"
    if white is not None and _now(white) > _WHITE_SHARE:
        return "the pictures are white: exposure, gain or lamp"
    if spread is not None and _now(spread) < _FLAT_GRAY:
        return "the pictures show nothing: camera covered or stuck"
    return None


def _light(own: Rows) -> str | None:
    """Return the cause of another brightness; None if the brightness is as before."""
    gray = _alarm(own, GRAY_MEAN)
    if gray is None:
        return None
    if _ratio(gray) < 1:
        return "less light: lamp, exposure or lens"
    return "more light: lamp, exposure, or a surface of the steel that reflects more"


def _sharpness(own: Rows) -> str:
    """Read sharpness and brightness together: squared differences grow with squared brightness."""
    row, gray = own[SHARPNESS, None], _alarm(own, GRAY_MEAN)
    light = 1.0 if gray is None else _ratio(gray)
    ratio = _ratio(row) / light**2
    if gray is not None and _SHARPNESS_BAND[0] <= ratio <= _SHARPNESS_BAND[1]:
        return FOLLOWS
    also = "" if gray is None else ", beyond what the brightness explains"
    if ratio < 1:
        return f"out of focus, dirt on the lens, or vibration{also}"
    return f"more noise: gain, or another compression of the files{also}"


def _of_share(row: DriftRow, scopes: Mapping[str | None, Rows]) -> str:
    if not row.night_value:
        return "camera silent: camera, cable, or the transport of its files"
    if not row.reference_value:
        return "the reference does not know this camera; make a new one"
    if row.night_value > row.reference_value:
        silent = _silent(scopes)
        return f"{_joined(silent)} sent no picture" if silent else "other cameras sent fewer"
    return "the camera stopped for a part of the night, or files were lost"


def _of_answer(row: DriftRow, scopes: Mapping[str | None, Rows]) -> str:
    """Return the cause of other answers: the camera comes first, then the steel."""
    looked = scopes if row.camera is None else {row.camera: scopes[row.camera]}
    pictures = [
        one
        for rows in looked.values()
        for (name, _), one in rows.items()
        if name in PICTURE_QUANTITIES
    ]
    changed = sorted({who(one.camera) for one in pictures if one.alarm})
    if changed:
        return f"the pictures have changed too ({_joined(changed)}): check the camera first"
    if not any(one.distance is not None for one in pictures):
        return "whether the pictures have changed is not known: check the camera first"
    if row.quantity in SIZES:
        return "the pictures are as before: the defects, or the camera's distance, have changed"
    return "the pictures are as before: the steel has changed"


def _silent(scopes: Mapping[str | None, Rows]) -> list[str]:
    return [
        who(camera)
        for camera, rows in scopes.items()
        if camera is not None
        and (share := _alarm(rows, CAMERA_SHARE)) is not None
        and not share.night_value
    ]


def _alarm(rows: Rows, quantity: str) -> DriftRow | None:
    """Return the row of a quantity if it raises an alarm."""
    row = rows.get((quantity, None))
    return row if row is not None and row.alarm else None


def _is_down(rows: Rows, quantity: str) -> bool:
    row = _alarm(rows, quantity)
    return row is not None and _ratio(row) < 1


def _now(row: DriftRow) -> float:
    return row.night_value or 0.0


def _ratio(row: DriftRow) -> float:
    """Return the value of the night, divided by that of the reference; 1 if the latter is 0."""
    before = row.reference_value or 0.0
    return _now(row) / before if before > 0 else 1.0


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
