"""Draw held-out pictures with true and found outlines, as SVG over an embedded JPEG.

Outlines stay sharp at every size. They disappear while the pointer is on the picture.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

import cv2
import numpy as np

from steeldefect.errors import StoreError
from steeldefect.pages.markup import heading, paragraph, swatch
from steeldefect.pages.palette import class_colour
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Gray
from training.data.dataset import LabelledPicture
from training.report.contents import Report
from training.report.examples import Examples, choose

STYLE = """
.overlays { display: grid; gap: 14px 20px; align-items: start; margin: 0 0 8px;
  grid-template-columns: repeat(auto-fill, minmax(min(300px, 100%), 1fr)); }
.overlays .wide { grid-column: 1 / -1; }
.overlays svg { max-height: 420px; background: var(--ground); border: 1px solid var(--line); }
.overlays figcaption > span, .overlays figcaption b { display: inline-block; margin-right: 14px; }
.overlays path, .legend path { vector-effect: non-scaling-stroke; fill: none; stroke-width: 2;
  stroke-linejoin: round; stroke-linecap: round; }
.overlays path.tint, .legend path.tint { fill-opacity: .25; stroke: none; }
.overlays path.under, .legend path.under { stroke: #000; stroke-width: 2.6; }
.overlays path.dashes, .legend path.dashes { stroke: #fff; stroke-width: 1.8;
  stroke-dasharray: 4 4; stroke-linecap: butt; }
.overlays g { transition: opacity .1s; }
.overlays svg:hover g { opacity: 0; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 22px; margin: 0 0 14px; font-size: 13px; }
.legend svg { width: 44px; height: 18px; margin-right: 6px; vertical-align: -4px;
  background: #50565c; border-radius: 3px; }
"""

_WIDE = 2.5  # a picture with at least this ratio of width to height gets its own row
_WIDE_SIDE, _SIDE = 1080, 480  # largest longer side in pixels
_QUALITY = 80
_TOLERANCE = 0.7  # largest error of a simplified outline, in shown pixels
_MOST_CORNERS = 2500  # most corners of one mask; beyond it, the smallest regions are left out


def outlines(report: Report) -> str:
    """Return the section; empty if no picture is chosen.

    Raises:
        DataError: a picture cannot be read.
        StoreError: a picture cannot be encoded.
    """
    kinds = choose(report)
    return _legend(report) + "".join(_gallery(report, one) for one in kinds) if kinds else ""


def _legend(report: Report) -> str:
    """Return the legend: both kinds of outline, and the colour of each class."""
    first = next(iter(report.class_names))
    box = "M5 4h34v10h-34z"
    true = f'<svg viewBox="0 0 44 18">{_true(box, first)}</svg>'
    found = f'<svg viewBox="0 0 44 18">{_found(box, first)}</svg>'
    classes = "".join(
        f"<span>{swatch(number)}{escape(name)}</span>\n"
        for number, name in report.class_names.items()
    )
    return (
        f'<div class="legend">\n<span>{true}true: dashed line, tinted inside</span>\n'
        f"<span>{found}found: solid line</span>\n{classes}</div>\n"
    ) + paragraph("Move the pointer over a picture to hide the outlines.", "soft")


def _gallery(report: Report, kind: Examples) -> str:
    pictures = {one.name: one for one in report.pictures}
    shown = [pictures[name] for name in kind.names]
    figures = "".join(_figure(report, one) for one in shown)
    count = f"{len(shown)} of {kind.total:,}" if kind.total > len(shown) else f"{kind.total}"
    return heading(f"{kind.heading} ({count})") + f'<div class="overlays">\n{figures}</div>\n'


def _figure(report: Report, picture: LabelledPicture) -> str:
    gray = picture.read()
    found = report.found[picture.name]
    height, width = gray.shape
    shrunk = _shrunk(gray)
    step = _TOLERANCE * width / shrunk.shape[1]
    lines = [_true(_path(runs, gray.shape, step), one) for one, runs in picture.runs.items()]
    lines += [_found(_path(runs, gray.shape, step), one) for one, runs in found.items()]
    return (
        f'<figure class="{"wide" if _is_wide(gray) else ""}">'
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(picture.name)}">'
        f'<image width="{width}" height="{height}" href="{_data_uri(shrunk)}"/>'
        f"{''.join(lines)}</svg>\n"
        f"<figcaption><b>{escape(picture.name)}</b> {_caption(report, picture, found)}"
        "</figcaption></figure>\n"
    )


def _true(path: str, class_id: int) -> str:
    """Draw a true mask; its tint stays visible where the found outline covers the true one."""
    return (
        f'<g class="true"><path class="tint" style="fill:{class_colour(class_id)}" '
        f'fill-rule="evenodd" d="{path}"/><path class="under" d="{path}"/>'
        f'<path class="dashes" d="{path}"/></g>'
    )


def _found(path: str, class_id: int) -> str:
    return f'<g class="found"><path style="stroke:{class_colour(class_id)}" d="{path}"/></g>'


def _path(runs: run_lengths.Runs, shape: tuple[int, int], tolerance: float) -> str:
    """Return the outlines of a mask, with holes, as SVG path data in pixels of the picture."""
    mask = run_lengths.to_mask(runs, shape).astype(np.uint8)
    contours = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)[0]
    parts, corners = [], 0
    for contour in sorted(contours, key=len, reverse=True):
        points = cv2.approxPolyDP(contour, tolerance, closed=True).reshape(-1, 2)
        corners += len(points)
        if corners > _MOST_CORNERS:
            break
        left, top = points[0].tolist()
        steps = "".join(f"l{x} {y}" for x, y in np.diff(points, axis=0).tolist())
        parts.append(f"M{left + 0.5} {top + 0.5}{steps}z")
    return "".join(parts)


def _caption(
    report: Report, picture: LabelledPicture, found: Mapping[int, run_lengths.Runs]
) -> str:
    """Return the caption as HTML: the result of each class, and the gate's probability."""
    rows = report.held_out[report.held_out["ImageId"] == picture.name]
    told = []
    for row in rows.to_dict("records"):
        number = int(row["class_id"])
        if number not in picture.runs and number not in found:
            continue
        told.append(swatch(number) + escape(_judged(report, picture, number, found)))
    probability = rows["gate_probability"].iloc[0]
    if np.isfinite(probability):
        told.append(escape(f"gate {probability:.3f}"))
    if picture.defective and not picture.runs:
        told.insert(0, "defective, without drawn masks")
    return "".join(f"<span>{one}</span>\n" for one in told)


def _judged(
    report: Report, picture: LabelledPicture, number: int, found: Mapping[int, run_lengths.Runs]
) -> str:
    name = report.class_names[number]
    area = run_lengths.area(found[number]) if number in found else 0
    if number not in picture.runs:
        return f"{name}: {area:,} px found" + (", none true" if picture.outlined else "")
    truth = run_lengths.area(picture.runs[number])
    if not area:
        return f"{name}: missed, {truth:,} px"
    dice = run_lengths.confusion(picture.runs[number], found[number]).dice
    return f"{name}: Dice {dice:.3f}, {truth:,} px true, {area:,} px found"


def _is_wide(gray: Gray) -> bool:
    height, width = gray.shape
    return bool(width >= _WIDE * height)


def _shrunk(gray: Gray) -> Gray:
    height, width = gray.shape
    side = _WIDE_SIDE if _is_wide(gray) else _SIDE
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrunk: Gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    return shrunk


def _data_uri(gray: Gray) -> str:
    done, content = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise StoreError(f"cannot encode a picture of {gray.shape[1]}x{gray.shape[0]} pixels")
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode("ascii")
