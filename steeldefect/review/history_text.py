"""Write the history of a picture as text for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from steeldefect.analysis.results import printable
from steeldefect.pictures import run_lengths
from steeldefect.review.history import (
    BundleHistory,
    Failure,
    FoundClass,
    FoundRegion,
    PictureHistory,
    Review,
    Scored,
)
from steeldefect.review.text_tables import Column, lines_of, number_text

_SHORT = 12  # characters of a digest


def history_text(history: PictureHistory) -> str:
    """Return everything that the tables say of a picture, as lines."""
    parts = [_head(history), *map(_of_bundle, history.bundles)]
    if history.failures:
        parts.append(["could not be scored", *_indented(_failures(history.failures))])
    if history.reviews:
        parts.append(["what people said", *_indented(_reviews(history.reviews))])
    return "\n\n".join("\n".join(part) for part in parts)


def when(moment: datetime) -> str:
    """Return a time (UTC) to the minute."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def place_text(scored: Scored) -> str:
    """Return where the picture lies on the strip; empty if unknown."""
    known = [
        f"{name} {printable(value)}"
        for name, value in (
            ("coil", scored.coil),
            ("camera", scored.camera),
            ("side", scored.side),
        )
        if value
    ]
    if scored.position_mm is not None:
        known.append(f"begins at {scored.position_mm:.0f} mm")
    return ", ".join(known)


def _head(history: PictureHistory) -> list[str]:
    lines = [printable(history.name.key), f"  source  {printable(history.name.source)}"]
    if history.bundles:
        newest = history.bundles[0].newest
        lines.append(f"  size    {_size(newest)}")
        place = place_text(newest)
        lines += [f"  place   {place}"] if place else []
        if newest.captured_at is not None:
            lines.append(f"  taken   {when(newest.captured_at)}")
    return lines


def _size(scored: Scored) -> str:
    pixels = f"{scored.width} x {scored.height} px"
    if scored.pixel_mm is None:
        return pixels
    x, y = scored.pixel_mm
    return f"{pixels}, {scored.width * x:.1f} x {scored.height * y:.1f} mm"


def _of_bundle(found: BundleHistory) -> list[str]:
    gate = None if found.thresholds is None else found.thresholds.gate
    threshold = "" if gate is None else f", gate threshold {gate.threshold:.3f}"
    lines = [f"bundle {found.bundle[:_SHORT]}{threshold}", *_indented(_runs(found.runs))]
    if found.newest.regions is None:
        if found.classes:
            title = "found by class: the version that scored it measured no regions"
            lines += ["", f"  {title}", *_indented(_classes(found.classes), 4)]
        return lines
    if found.kept:
        lines += ["", f"  {_counted(len(found.kept), 'defect')}"]
        lines += _indented(_regions(found.kept, _edges(found.kept)), 4)
    if found.newest.rejected_regions:
        lines += ["", f"  {_rejected_title(found)}"]
        lines += _indented(_regions(found.rejected, _reasons(found)), 4)
    return lines


def _rejected_title(found: BundleHistory) -> str:
    total, listed = found.newest.rejected_regions or 0, len(found.rejected)
    largest = "" if listed == total else f", the {listed} largest:" if listed else ", none kept"
    return f"{_counted(total, 'region')} removed, smaller than a minimum area{largest}"


def _runs(runs: Sequence[Scored]) -> list[str]:
    versions = {one.etag for one in runs}
    columns = [
        Column("scored", [when(one.scored_at) for one in runs]),
        Column("verdict", [one.verdict for one in runs]),
        Column("gate", [number_text(one.gate_probability, 3) for one in runs], ">"),
        Column("engine", [f"{one.runtime} {one.device} {one.precision}" for one in runs]),
        Column("run", [one.run_id for one in runs]),
        Column("file", [one.etag if len(versions) > 1 else "" for one in runs]),
    ]
    return lines_of(columns)


def _regions(regions: Sequence[FoundRegion], last: Column) -> list[str]:
    columns = [
        Column("no", [str(one.number) for one in regions], ">"),
        Column("class", [one.class_name for one in regions]),
        Column("px", [str(one.area) for one in regions], ">"),
        Column("mm2", [number_text(one.area_mm2, 1) for one in regions], ">"),
        Column("size px", [f"{one.length:.1f} x {one.width:.1f}" for one in regions], ">"),
        Column("size mm", [_size_mm(one) for one in regions], ">"),
        Column("angle", [str(round(one.angle)) for one in regions], ">"),
        Column("mean p", [f"{one.mean_probability:.3f}" for one in regions], ">"),
        Column("max p", [f"{one.max_probability:.3f}" for one in regions], ">"),
        Column("along mm", [number_text(one.along_mm, 1) for one in regions], ">"),
        Column("across mm", [number_text(one.across_mm, 1) for one in regions], ">"),
        last,
    ]
    return lines_of(columns)


def _size_mm(region: FoundRegion) -> str:
    if region.length_mm is None or region.width_mm is None:
        return ""
    return f"{region.length_mm:.1f} x {region.width_mm:.1f}"


def _edges(regions: Sequence[FoundRegion]) -> Column:
    return Column("edge", ["edge" if one.touches_edge else "" for one in regions])


def _reasons(found: BundleHistory) -> Column:
    classes = {} if found.thresholds is None else found.thresholds.classes
    texts = []
    for one in found.rejected:
        own = classes.get(one.class_id)
        least = "" if own is None else f" ({own.min_area} px)"
        texts.append(f"{one.reason}{least}")
    return Column("reason", texts)


def _classes(classes: Sequence[FoundClass]) -> list[str]:
    columns = [
        Column("class", [one.class_name for one in classes]),
        Column("px", [str(one.area) for one in classes], ">"),
        Column("regions", [str(one.regions) for one in classes], ">"),
        Column("mean p", [f"{one.mean_probability:.3f}" for one in classes], ">"),
        Column("max p", [f"{one.max_probability:.3f}" for one in classes], ">"),
    ]
    return lines_of(columns)


def _failures(failures: Sequence[Failure]) -> list[str]:
    columns = [
        Column("tried", [when(one.scored_at) for one in failures]),
        Column("stage", [one.stage for one in failures]),
        Column("what next", [_next(one) for one in failures]),
        Column("bundle", [one.bundle[:_SHORT] for one in failures]),
        Column("run", [one.run_id for one in failures]),
        Column("why", [f"{one.error}: {one.message}" for one in failures]),
    ]
    return lines_of(columns)


def _next(failure: Failure) -> str:
    """Return what happens to the picture after a failure, as the view `not_scored` does."""
    if not failure.transient:
        return "final"
    return "given up" if failure.given_up else "tried again"


def _reviews(reviews: Sequence[Review]) -> list[str]:
    areas = [run_lengths.area(run_lengths.parse(one.run_lengths)) for one in reviews]
    columns = [
        Column("reviewed", [when(one.reviewed_at) for one in reviews]),
        Column("by", [one.reviewer for one in reviews]),
        Column("class", [one.class_name for one in reviews]),
        Column("mask", [one.verdict for one in reviews]),
        Column("true px", [str(area) if area else "absent" for area in areas], ">"),
        Column("bundle", [one.bundle[:_SHORT] for one in reviews]),
        Column("run", [one.scored_run for one in reviews]),
    ]
    return lines_of(columns)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _indented(lines: Sequence[str], by: int = 2) -> Iterator[str]:
    return (f"{' ' * by}{line}" for line in lines)
