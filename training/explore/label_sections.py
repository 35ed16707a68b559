"""Write the sections about labels and masks: faults, labels, classes, areas, places."""

from __future__ import annotations

from collections import Counter
from html import escape

import numpy as np
import pandas as pd

from steeldefect.pages import markup
from steeldefect.pages.markup import Column, counts, pair, paragraph, percents, texts
from steeldefect.pages.palette import CLEAN, DEFECTIVE, NEUTRAL, class_colour
from training.explore import charts
from training.explore.faults import RULES, Fault, FaultKind
from training.explore.findings import Findings
from training.explore.statistics import Tables, headline

_EXAMPLES = 3
_ROWS_SHOWN = 12


def faults(findings: Findings) -> str:
    """Return the table of faults: kind, count, advice, and a few examples."""
    kinds = Counter(one.kind for one in findings.faults)
    if not kinds:
        return paragraph("The checks found no faults.", "note fine")
    shown = [kind for kind in FaultKind if kinds[kind]]
    examples = []
    for kind in shown:
        own = findings.faults_of(kind)
        examples.append(_examples(own))
    stops = [RULES[kind].stops_fit for kind in shown]
    columns = [
        Column("fault", texts(kind.value for kind in shown), "name"),
        Column("found", counts(kinds[kind] for kind in shown)),
        Column(
            "a fit", ['<span class="mark">stops</span>' if s else "goes on" for s in stops], "keep"
        ),
        Column("what to do", texts(RULES[kind].advice for kind in shown), ""),
        Column("examples", examples, "wrap"),
    ]
    return markup.table(columns) + _link("faults")


def _examples(faults: list[Fault]) -> str:
    """Return the first few faults; an equal description is written once."""
    shown = faults[:_EXAMPLES]
    details = {one.detail for one in shown}
    if len(details) == 1 and len(shown) > 1:
        lines = [f"{', '.join(one.name for one in shown)}: {details.pop()}"]
    else:
        lines = [f"{one.name}: {one.detail}" for one in shown]
    more = [f"and {len(faults) - _EXAMPLES:,} more"] if len(faults) > _EXAMPLES else []
    return "<br>".join(texts(lines + more))


def labels(findings: Findings, tables: Tables) -> str:
    """Return the charts of defective and clean, by picture and by row."""
    labels = tables["labels"]
    colours = [DEFECTIVE, CLEAN, NEUTRAL]
    parts = []
    alike = bool((labels["pictures"] == labels["rows"]).all())
    for unit in ("pictures",) if alike else ("pictures", "rows"):
        if labels[unit].sum():
            values = zip(labels["meaning"], labels[unit], colours[: len(labels)], strict=True)
            items = [charts.Bar(meaning, int(value), colour) for meaning, value, colour in values]
            name = "pictures" if unit == "pictures" else "rows of the labels file"
            parts.append(
                markup.chart(charts.bars(f"labels-{unit}", items, unit), name.capitalize())
            )
    extra = int(labels["rows"].sum() - labels["pictures"].sum())
    note = ""
    if findings.source.labels is not None and extra > 0:
        note = paragraph(
            f"The labels file has {extra:,} more rows than there are pictures: split by picture, "
            "never by row.",
            "note",
        )
    return note + pair(parts)


def classes(findings: Findings, tables: Tables) -> str:
    """Return rows and pictures of each class, classes per picture, and combinations."""
    classes = tables["classes"]
    if classes.empty:
        return ""
    ids, names = classes["ClassId"].tolist(), classes["class_name"].tolist()
    labelled = [
        f"{swatch}{name}"
        for swatch, name in zip(map(markup.swatch, ids), texts(names), strict=True)
    ]
    columns = [
        Column("class", labelled, "name"),
        Column("id", counts(ids)),
        Column("rows", counts(classes["rows"])),
        Column("pictures", counts(classes["pictures"])),
        Column("median area, px", counts(classes["area_median"])),
        Column("smallest", counts(classes["area_min"])),
        Column("largest", counts(classes["area_max"])),
        Column("median share of picture", percents(classes["share_median"])),
        Column("share of all pixels", percents(classes["share_of_all_pixels"])),
        Column("median regions", [_plain(value) for value in classes["regions_median"]]),
    ]
    columns = [one for one in columns if set(one.cells) != {markup.NOTHING}]
    rows = [
        charts.Bar(name, int(count), class_colour(number))
        for number, name, count in zip(ids, names, classes["rows"], strict=True)
    ]
    per = tables["classes_per_picture"]
    per_picture = [
        charts.Bar(f"{number} classes" if number != 1 else "1 class", int(count))
        for number, count in zip(per["classes"], per["pictures"], strict=True)
    ]
    figures = [
        markup.chart(charts.bars("class-rows", rows, "rows of masks"), "Masks per class"),
        markup.chart(
            charts.bars("per-picture", per_picture, "pictures"),
            f"Classes per picture, of the {len(findings.known):,} pictures whose masks are known",
        ),
    ]
    return _most_common(classes) + pair(figures) + markup.table(columns) + _together(tables)


def _most_common(classes: pd.DataFrame) -> str:
    ordered = classes.sort_values("rows", ascending=False)
    names, rows, shares = (
        ordered[name].tolist() for name in ("class_name", "rows", "share_of_rows")
    )
    if not rows[0]:
        return ""
    last = f"; {names[-1]} has {rows[-1]:,}" if len(rows) > 1 else ""
    return paragraph(
        f"{names[0]} is the most common: {rows[0]:,} masks, {100 * shares[0]:.0f}% of all{last}."
    )


def _together(tables: Tables) -> str:
    together = tables["combinations"]
    shown = together[together["ClassIds"].str.contains("+", regex=False)].head(_ROWS_SHOWN)
    if shown.empty:
        return paragraph("No picture shows more than one class.", "soft")
    labelled = [
        "".join(markup.swatch(int(number)) for number in numbers.split("+")) + escape(names)
        for numbers, names in zip(shown["ClassIds"], shown["class_names"], strict=True)
    ]
    columns = [
        Column("classes in one picture", labelled, "name"),
        Column("pictures", counts(shown["pictures"])),
    ]
    return pair([markup.table(columns)])


def areas(findings: Findings, tables: Tables) -> str:
    """Return the histograms of mask areas of each class."""
    masks = tables["masks"]
    classes = [number for number in findings.class_names if (masks["ClassId"] == number).any()]
    if masks.empty:
        return ""
    known = bool(masks["share"].notna().all())
    column = 100 * masks["share"] if known else masks["area"]
    values = {number: column[masks["ClassId"] == number].to_numpy(np.float64) for number in classes}
    unit = "area, % of the picture (log scale)" if known else "area, pixels (log scale)"
    svg = charts.areas("areas", values, findings.class_names, unit)
    return markup.chart(svg, "Masks by area; the dark line is the median") + _empty_share(findings)


def _empty_share(findings: Findings) -> str:
    share = headline(findings).empty_share
    if share is None:
        return ""
    return paragraph(
        f"{100 * share:.1f}% of all pairs of picture and class have no mask (in the "
        f"{len(findings.known):,} pictures whose masks are known). A model that never finds "
        f"anything scores a mean Dice of {share:.4f} (Kaggle's measure). Compare models with that."
    )


def places(findings: Findings) -> str:
    """Return a heat map for each class."""
    if not findings.masks.places:
        return ""
    figures = []
    for number, heat in findings.masks.places.items():
        width = 540 if heat.shape[1] >= 2 * heat.shape[0] else 350
        total = sum(one.class_id == number for one in findings.masks.sound)
        svg = charts.places(f"place-{number}", heat, number, width)
        caption = f"{findings.class_names[number]}: {total:,} masks"
        figures.append(markup.chart(svg, caption))
        wide = " wide" if width == 540 else ""
    told = paragraph(
        "Share of the masks of a class that cover each place of the picture. Each class has its "
        "own scale."
    )
    return f'{told}<div class="heat{wide}">\n{"".join(figures)}</div>\n'


def _link(name: str) -> str:
    return f'<p class="soft">All rows: <a href="{name}.csv">{name}.csv</a></p>\n'


def _plain(value: float) -> str:
    return markup.NOTHING if pd.isna(value) else f"{value:g}"
