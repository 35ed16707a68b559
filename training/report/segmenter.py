"""Write the section of the segmenter: Dice of each class, its distribution, the thresholds."""

from __future__ import annotations

from steeldefect.bundle.manifest import DefectClass
from steeldefect.pages import markup
from steeldefect.pages.markup import Column, counts, decimals, heading, pair, paragraph, quad, texts
from training.report import class_charts
from training.report.contents import Report, floats, value_of

_ALL = "all classes"


def segmenter(report: Report) -> str:
    """Return the section."""
    return (
        paragraph(
            "A pair is a held-out picture and a class. In mean Dice, a pair without truth and "
            'without a found mask scores 1. The column "empty answer" is the mean Dice of a model '
            "that never finds anything."
        )
        + _classes(report)
        + _verdict(report)
        + _region_probabilities(report)
        + _distributions(report)
        + _sweeps(report)
    )


def _classes(report: Report) -> str:
    rows: list[DefectClass | None] = [*report.manifest.classes, None]
    ids = [None if one is None else one.id for one in rows]

    def held_out(name: str) -> list[str]:
        return decimals(value_of(report.score(name, number)) for number in ids)

    supports = [report.score("positives_dice", number) for number in ids]
    searched = [value_of(report.validation_score("positives_dice", number)) for number in ids]
    intervals = [report.interval(number) for number in ids]
    columns = [
        Column("class", [_named(one) for one in rows], "name"),
        Column("pairs with truth", counts(one.support if one else 0 for one in supports)),
        Column("Dice on truth", held_out("positives_dice")),
        Column("95% interval", [str(one) if one else markup.NOTHING for one in intervals]),
        Column("Dice on truth, validation", decimals(searched)),
        Column("pooled Dice", held_out("pooled_dice")),
        Column("IoU", held_out("iou")),
        Column("mean Dice", held_out("mean_dice")),
        Column("empty answer", held_out("all_empty_dice")),
        Column("pixel threshold", decimals((one and one.pixel_threshold for one in rows), 2)),
        Column("seed threshold", decimals((one and one.seed_threshold for one in rows), 2)),
        Column("minimum area, px", counts(one and one.min_area for one in rows)),
    ]
    shown = [one for one in columns if set(one.cells) != {markup.NOTHING}]
    return f'<div class="dense">{markup.table(shown)}</div>\n'


def _named(one: DefectClass | None) -> str:
    return _ALL if one is None else markup.swatch(one.id) + texts([one.name])[0]


def _verdict(report: Report) -> str:
    """Return a sentence with the scores of the verdict on whole pictures."""
    told = []
    for name, of, what in (
        ("recall", "defective pictures", "are reported"),
        ("clean_recall", "clean pictures", "get no mask"),
        ("precision", "reported pictures", "are defective"),
    ):
        score = report.score(f"verdict_{name}")
        if score is not None and score.value is not None:
            told.append(f"of {score.support:,} {of}, {100 * score.value:.1f}% {what}")
    if not told:
        return ""
    return paragraph(f"Verdict on whole pictures: {'; '.join(told)}.")


def _region_probabilities(report: Report) -> str:
    """Return a sentence on how far the mean probabilities of regions can be trusted."""
    told = []
    calibration = report.manifest.calibration
    errors = None if calibration is None else calibration.region_calibration_error
    if errors is not None:
        told.append(
            f"on the validation part {errors[0]:.3f} before calibration, {errors[1]:.3f} after it, "
            "by cross-fitting"
        )
    score = report.score("region_calibration_error")
    if score is not None:
        told.append(f"on the {score.support:,} held-out regions {decimals([score.value])[0]}")
    if not told:
        return ""
    return paragraph(
        "Calibration error of the mean probability of a region, against the share of its pixels "
        f"that are true: {'; '.join(told)}."
    )


def _distributions(report: Report) -> str:
    rows = report.positives
    if rows.empty:
        return ""
    of_class = {number: rows[rows["class_id"] == number] for number in report.class_names}
    present = {number: own for number, own in of_class.items() if len(own)}
    spread = class_charts.dice_spread(
        "dice-spread",
        {number: floats(own["dice"]) for number, own in present.items()},
        report.class_names,
    )
    by_area = class_charts.dice_by_area(
        "dice-by-area",
        {number: (floats(own["truth"]), floats(own["dice"])) for number, own in present.items()},
        report.class_names,
    )
    figures = [
        markup.chart(spread, "Dice of each pair with truth; the dark line is the median"),
        markup.chart(by_area, "Dice against the area of the true mask"),
    ]
    return heading("Held-out pictures one by one") + pair(figures)


def _sweeps(report: Report) -> str:
    """Return the charts of objective by pixel threshold; empty without a search."""
    chosen = {one.id: one for one in report.manifest.classes}
    figures = []
    for curve in report.curves.classes:
        if curve.class_id not in chosen or not len(curve.threshold):
            continue
        own = chosen[curve.class_id]
        svg = class_charts.sweep(f"sweep-{own.id}", curve, own.pixel_threshold)
        seed = "" if own.seed_threshold is None else f", seed {own.seed_threshold:.2f}"
        caption = f"{own.name}: {own.pixel_threshold:.2f}{seed}, minimum area {own.min_area:,} px"
        figures.append(markup.chart(svg, caption))
    if not figures:
        return ""
    calibration = report.manifest.calibration
    objective = "" if calibration is None else f" ({calibration.objective.replace('_', ' ')})"
    told = (
        f"In colour: the objective{objective} that the search maximises. Gray: Dice on pairs with "
        "truth. Each threshold is shown with the best seed threshold and minimum area for it."
    )
    name = "Validation pictures, on which pixel thresholds were chosen"
    return heading(name) + paragraph(told) + quad(figures)
