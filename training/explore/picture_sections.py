"""Write the sections about pictures: sizes, brightness, duplicates, samples."""

from __future__ import annotations

import numpy as np

from steeldefect.pages import markup
from steeldefect.pages.markup import pair, paragraph
from steeldefect.pictures.fingerprints import HASH_BITS, MAX_DISTANCE, MIN_CORRELATION
from training.explore import charts
from training.explore.drawings import Drawings
from training.explore.faults import FaultKind
from training.explore.findings import Findings
from training.explore.statistics import Tables


def pictures(findings: Findings, tables: Tables) -> str:
    """Return the section of sizes and brightness; empty without pictures."""
    pictures, sizes = tables["pictures"], tables["sizes"]
    if pictures.empty:
        return ""
    first = sizes.iloc[0]
    alike = f"All pictures have {first['width']} x {first['height']} pixels."
    various = (
        f"{len(sizes):,} sizes; the most frequent is {first['width']} x {first['height']} pixels."
    )
    gray = pictures["gray_mean"]
    grays = [
        gray[pictures["defective"].eq(answer).fillna(False)].to_numpy(np.float64)
        for answer in (True, False)
    ]
    grays.append(gray[pictures["defective"].isna()].to_numpy(np.float64))
    svg = charts.grays("grays", *grays)
    figures = [
        markup.chart(
            svg,
            "Brightness. If clean and defective pictures differ here, a gate may learn brightness "
            "instead of defects",
        )
    ]
    if len(sizes) > 1:
        values = [sizes[name].to_numpy(np.float64) for name in ("width", "height", "pictures")]
        figures.append(
            markup.chart(charts.sizes("sizes", *values), "Sizes; a larger dot means more pictures")
        )
    return paragraph(alike if len(sizes) == 1 else various) + pair(figures)


def duplicates(findings: Findings, drawings: Drawings) -> str:
    """Return the section of duplicates, with pictures of the first sets; empty without pictures."""
    if not findings.pictures:
        return ""
    found = findings.duplicates
    identical = sum(one.identical for one in found)
    how = paragraph(
        f"Similar: at most {MAX_DISTANCE} of {HASH_BITS} bits of a perceptual hash differ, and "
        f"small copies correlate by {MIN_CORRELATION} or more. Mirrored and turned copies do not "
        "count.",
        "soft",
    )
    if not found:
        return paragraph("No duplicates were found.", "note fine") + how
    parts = [
        paragraph(
            f"{len(found):,} sets, {identical:,} of them with the same pixels and "
            f"{len(found) - identical:,} of similar pictures."
        ),
        how,
        _torn_apart(findings),
        _disagreeing(findings),
    ]
    parts.append(f'<div class="sets">\n{_sets(findings, drawings)}</div>\n')
    left = len(found) - len(drawings.duplicates)
    if left > 0:
        parts.append(paragraph(f"{left:,} more sets are in duplicates.csv.", "soft"))
    return "".join(parts)


def _sets(findings: Findings, drawings: Drawings) -> str:
    disagreeing = {one.name for one in findings.faults_of(FaultKind.DUPLICATES_DISAGREE)}
    parts = []
    for found, members in zip(findings.duplicates, drawings.duplicates, strict=False):
        kind = "the same pixels" if found.identical else f"correlation {found.correlation:.4f}"
        if found.names[0] in disagreeing:
            kind += ", labels disagree"
        heading = f"<h3>{len(found.names)} pictures, {kind}</h3>\n"
        parts.append(f"<div>{heading}{markup.gallery(members, 'set')}</div>\n")
    return "".join(parts)


def _torn_apart(findings: Findings) -> str:
    sets = len(findings.faults_of(FaultKind.DUPLICATES_IN_GROUPS))
    why = "there is no groups.csv; rename duplicates.csv to groups.csv to keep each set together"
    if findings.source.groups is not None:
        why = "groups.csv puts their pictures into several groups; duplicates.csv lists the sets"
    text = (
        f"A split may separate the pictures of {sets:,} sets, and held-out scores are then too "
        f"good: {why}."
    )
    return paragraph(text, "note") if sets else ""


def _disagreeing(findings: Findings) -> str:
    sets = len(findings.faults_of(FaultKind.DUPLICATES_DISAGREE))
    text = f"In {sets:,} sets, some pictures are labelled defective and some clean."
    return paragraph(text, "note") if sets else ""


def samples(findings: Findings, drawings: Drawings) -> str:
    """Return sample pictures of each class with outlines; empty without pictures."""
    parts = []
    for number, drawn in drawings.samples.items():
        if drawn:
            parts.append(markup.class_heading(number, findings.class_names[number]))
            parts.append(markup.gallery(drawn, "samples"))
    if drawings.clean:
        parts.append("<h3>clean</h3>\n" + markup.gallery(drawings.clean, "samples"))
    if not parts:
        return ""
    told = "Each class: a small mask (10% are smaller), the median, a large one (90% are smaller), "
    told += "and the largest. Click a picture to open it at full size."
    return paragraph(told) + "".join(parts)
