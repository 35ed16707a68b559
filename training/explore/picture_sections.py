"""The sections of the page that pictures tell: sizes, brightness, duplicates, samples."""

from __future__ import annotations

import numpy as np

from training.explore import charts
from training.explore.drawings import Drawings
from training.explore.faults import FaultKind
from training.explore.findings import Findings
from training.explore.statistics import Tables
from training.pages import markup
from training.pages.markup import pair, paragraph
from training.splitting.duplicates import HASH_BITS, MAX_DISTANCE, MIN_CORRELATION


def pictures(findings: Findings, tables: Tables) -> str:
    """Sizes and brightness; empty without pictures."""
    pictures, sizes = tables["pictures"], tables["sizes"]
    if pictures.empty:
        return ""
    first = sizes.iloc[0]
    alike = f"All pictures have {first['width']} x {first['height']} pixels."
    various = f"{len(sizes):,} sizes; the commonest is {first['width']} x {first['height']} pixels."
    gray = pictures["gray_mean"]
    grays = [
        gray[pictures["defective"].eq(answer).fillna(False)].to_numpy(np.float64)
        for answer in (True, False)
    ]
    grays.append(gray[pictures["defective"].isna()].to_numpy(np.float64))
    svg = charts.grays("grays", *grays)
    figures = [
        markup.chart(svg, "Brightness: where clean and defective part, a gate may learn the light")
    ]
    if len(sizes) > 1:
        values = [sizes[name].to_numpy(np.float64) for name in ("width", "height", "pictures")]
        figures.append(
            markup.chart(
                charts.sizes("sizes", *values), "Sizes; a larger dot stands for more pictures"
            )
        )
    return paragraph(alike if len(sizes) == 1 else various) + pair(figures)


def duplicates(findings: Findings, drawings: Drawings) -> str:
    """Sets of duplicates, the first of them side by side; empty without pictures."""
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
        return paragraph("No picture is there twice.", "note fine") + how
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
    why = "there is no groups.csv; duplicates.csv under that name keeps each set together"
    if findings.source.groups is not None:
        why = "groups.csv gives their pictures several groups; duplicates.csv says which to join"
    text = f"A split may tear {sets:,} of these sets apart and flatter the held-out scores: {why}."
    return paragraph(text, "note") if sets else ""


def _disagreeing(findings: Findings) -> str:
    sets = len(findings.faults_of(FaultKind.DUPLICATES_DISAGREE))
    text = f"In {sets:,} of them some pictures are labelled defective and some clean."
    return paragraph(text, "note") if sets else ""


def samples(findings: Findings, drawings: Drawings) -> str:
    """Pictures of each class with their outlines; empty without pictures."""
    parts = []
    for number, drawn in drawings.samples.items():
        if drawn:
            parts.append(markup.class_heading(number, findings.class_names[number]))
            parts.append(markup.gallery(drawn, "samples"))
    if drawings.clean:
        parts.append("<h3>clean</h3>\n" + markup.gallery(drawings.clean, "samples"))
    if not parts:
        return ""
    told = "Each class by area: small (10% are smaller), median, large (90%), and the largest mask."
    return paragraph(f"{told} A click opens the picture at its full size.") + "".join(parts)
