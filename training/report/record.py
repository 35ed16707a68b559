"""Write the sections of the record: compiled forms, data, recipe, versions."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import yaml

from steeldefect.bundle.manifest import Compiled, CompiledForm, ModelEvidence
from steeldefect.pages import markup
from steeldefect.pages.markup import Column, counts, decimals, paragraph, percents, texts
from training.report.contents import Report


def compiled(report: Report) -> str:
    """Return the table of forms for CPUs, compared with Keras; empty without measurements."""
    known = report.manifest.compiled
    if known is None:
        return ""
    forms = known.forms
    columns = [
        Column("precision", [_precision(one, known) for one in forms], "name"),
        Column("validation pictures", counts(one.pictures for one in forms)),
        Column("largest gate difference", [_scientific(one.gate_difference) for one in forms]),
        Column("mask pixels that differ", percents(one.segmenter_pixels for one in forms)),
        Column("drop of Dice on truth", decimals((one.positives_dice_drop for one in forms), 4)),
        Column("drop of gate recall", decimals((one.gate_recall_drop for one in forms), 4)),
        *_evidence("segmenter", [one.segmenter for one in forms]),
        *_evidence("gate", [one.gate for one in forms]),
    ]
    shown = [one for one in columns if set(one.cells) != {markup.NOTHING}]
    told = f"Scoring uses {known.default_name} by default: {known.reason}"
    return paragraph(told.rstrip(".") + ".") + markup.table(shown)


def _evidence(model: str, evidence: Sequence[ModelEvidence | None]) -> list[Column]:
    """Return the columns of one model: masks, time, and whether `auto` may become the form."""
    masks = (None if one is None else one.mask_dice for one in evidence)
    times = (None if one is None else one.milliseconds for one in evidence)
    admitted = [
        markup.NOTHING if one is None else "yes" if one.admitted else "no" for one in evidence
    ]
    return [
        Column(f"{model}: Dice with Keras' masks", decimals(masks, 4)),
        Column(f"{model}: ms on one core", decimals(times, 2)),
        Column(f"{model}: admitted", admitted),
    ]


def _precision(form: CompiledForm, known: Compiled) -> str:
    default = " (default)" if form.precision is known.default else ""
    return escape(form.precision.value + default)


def _scientific(value: float | None) -> str:
    return markup.NOTHING if value is None else f"{value:.2g}"


def provenance(report: Report) -> str:
    """Return the facts that are needed to fit the models again."""
    manifest, record = report.manifest, report.manifest.training
    parts = ", ".join(f"{name} {count:,}" for name, count in record.pictures.items())
    facts = {
        "data fingerprint": record.data_fingerprint,
        "pictures": parts,
        "picture sizes": str(manifest.picture_sizes),
        "thresholds": _calibrated(report),
        "seed": str(record.seed),
        "written": f"{manifest.created_at:%Y-%m-%d %H:%M:%S %Z}, after {record.minutes:,.1f} min",
        "versions": ", ".join(f"{name} {one}" for name, one in manifest.versions.items()),
        "metrics": manifest.metric_convention,
    }
    known = {name: value for name, value in facts.items() if value}
    table = markup.table(
        [Column("", texts(known), "name"), Column("", texts(known.values()), "wrap")]
    )
    recipe = yaml.safe_dump(record.recipe, sort_keys=False, allow_unicode=True, width=96)
    summary = f"<summary>Recipe {escape(record.recipe_name)}</summary>"
    return f"{table}<details>{summary}\n<pre>{escape(recipe)}</pre></details>\n"


def _calibrated(report: Report) -> str:
    calibration = report.manifest.calibration
    if calibration is None:
        return "from the recipe"
    told = [
        f"chosen on {calibration.pictures:,} validation pictures "
        f"({calibration.defective:,} defective)",
        f"objective {calibration.objective}",
    ]
    if calibration.target_recall is not None:
        told.append(f"target gate recall {calibration.target_recall:.4g}")
    return ", ".join(told)
