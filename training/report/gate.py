"""Write the section of the gate: its scores, its threshold, and its calibration."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score

from steeldefect.bundle import manifest
from steeldefect.bundle.manifest import GateMode
from steeldefect.pages import markup
from steeldefect.pages.markup import Column, counts, decimals, heading, pair, paragraph, texts, trio
from training.report import gate_charts
from training.report.contents import Report, floats, value_of
from training.report.gate_charts import Point

_SCORES = {
    "gate_auc": "area under the ROC curve",
    "gate_recall": "recall: defective pictures at or above the threshold",
    "gate_clean_recall": "clean recall: clean pictures below the threshold",
    "gate_accuracy": "accuracy: pictures on the right side of the threshold",
    "gate_pass_share": "pass share: pictures at or above the threshold",
}


def gate(report: Report) -> str:
    """Return the section; empty without a gate."""
    settings = report.manifest.gate
    if settings is None:
        return ""
    return (
        paragraph(_told(settings))
        + pair([_matrix(report), _scores(report, settings)])
        + heading("Held-out pictures")
        + trio(_held_out(report, settings))
        + _validation(report, settings)
    )


def _told(settings: manifest.Gate) -> str:
    if settings.mode is GateMode.HARD:
        consequence = "pictures below the threshold are not segmented"
    else:
        consequence = (
            "all pictures are segmented; below the threshold, the minimum area of a defect is "
            f"larger, by up to {settings.soft_area:,} pixels at probability 0"
        )
    shift = f", shift {settings.shift:.3g}" if settings.shift else ""
    return (
        f"Threshold {settings.threshold:.4g}, mode {settings.mode.value}: {consequence}. "
        f"Temperature {settings.temperature:.3g}{shift}."
    )


def _matrix(report: Report) -> str:
    """Write the confusion matrix: truth by row, gate by column, with shares of the row."""
    judged = report.judged
    rows = []
    for name, truth in (("defective", True), ("clean", False)):
        own = judged[judged["defective"] == truth]
        above = int(own["above"].sum())
        cells = [(above, truth), (len(own) - above, not truth)]
        rows.append(
            f"<tr><th>{name}</th>"
            + "".join(_cell(count, len(own), right) for count, right in cells)
            + "</tr>\n"
        )
    head = "<tr><th></th><th>at or above threshold</th><th>below threshold</th></tr>\n"
    caption = "<figcaption>Held-out pictures: truth by row, gate by column</figcaption>"
    body = f'<table class="matrix">\n{head}{"".join(rows)}</table>\n'
    return f"<figure>{body}{caption}</figure>\n"


def _cell(count: int, total: int, right: bool) -> str:
    """Write a count; the background is stronger for a larger share of the row."""
    share = count / total if total else 0.0
    colour = "47 125 91" if right else "176 74 63"
    percent = f"<span>{100 * share:.1f}%</span>" if total else ""
    ground = f"background:rgb({colour} / {100 * min(0.45, 0.05 + 0.4 * share):.0f}%)"
    return f'<td style="{ground if count else ""}"><b>{count:,}</b>{percent}</td>'


def _scores(report: Report, settings: manifest.Gate) -> str:
    measured = {name: report.gate_score(name) for name in _SCORES}
    shown = {name: score for name, score in measured.items() if score is not None}
    searched = [value_of(report.validation_score(name)) for name in shown]
    if settings.mode is GateMode.SOFT:  # validation scores count all pictures as passed
        searched = [
            value if name == "gate_auc" else None
            for name, value in zip(shown, searched, strict=True)
        ]
    columns = [
        Column("score", texts(_SCORES[name] for name in shown), ""),
        Column("held-out", decimals(map(value_of, shown.values()))),
        Column("validation", decimals(searched)),
        Column("held-out pictures", counts(score.support for score in shown.values())),
    ]
    return markup.table([one for one in columns if set(one.cells) != {markup.NOTHING}])


def _held_out(report: Report, settings: manifest.Gate) -> list[str]:
    judged = report.judged[np.isfinite(floats(report.judged["gate_probability"]))]
    truth: npt.NDArray[np.bool_] = judged["defective"].to_numpy(bool)
    probability = floats(judged["gate_probability"])
    if not truth.any() or truth.all():
        return [paragraph("Curves need both defective and clean held-out pictures.", "soft")]
    above = judged["above"].to_numpy(bool)
    point = Point(
        recall=float(above[truth].mean()),
        false_alarms=float(above[~truth].mean()),
        precision=float(truth[above].mean()) if above.any() else 1.0,
    )
    average = average_precision_score(truth, probability)
    area = decimals([value_of(report.gate_score("gate_auc"))])[0]
    drawn = gate_charts.precision_recall("gate-pr", truth, probability, point)
    roc = gate_charts.roc("gate-roc", truth, probability, point)
    spread = gate_charts.probabilities("gate-spread", truth, probability, settings.threshold)
    return [
        markup.chart(drawn, f"Average precision {average:.3f}; the dot is the threshold"),
        markup.chart(roc, f"ROC, area {area}; the dot is the threshold"),
        markup.chart(spread, "Probabilities by truth; dashed: the threshold"),
    ]


def _validation(report: Report, settings: manifest.Gate) -> str:
    charts = [*_sweep(report, settings), *_reliability(report)]
    if not charts:
        return ""
    return heading("Validation pictures, on which the threshold was chosen") + pair(charts)


def _sweep(report: Report, settings: manifest.Gate) -> Iterator[str]:
    curve = report.curves.gate
    if curve is not None and len(curve.threshold):
        svg = gate_charts.sweep("gate-sweep", curve, settings.threshold)
        told = (
            f"The gate at other thresholds; dashed: the chosen threshold, {settings.threshold:.4g}"
        )
        yield markup.chart(svg, told)


def _reliability(report: Report) -> Iterator[str]:
    before, after = report.curves.reliability_before, report.curves.reliability_after
    known = {
        name: one
        for name, one in (("before calibration", before), ("after", after))
        if one is not None and len(one.pictures)
    }
    if known:
        told = (
            "Share of defective pictures against the gate's probability; a larger dot means more "
            "pictures; E is the calibration error"
        )
        yield markup.chart(gate_charts.reliability("gate-reliability", known), told)
