"""The figures of a night's page, counted again with Python's `csv` and `math`.

The files are those that `steeldefect sql --format csv` writes.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steeldefect.cli import main as steeldefect
from steeldefect.report.usual import CONFIDENCE, Share, difference_interval
from support.morning import done
from support.page_figures import (
    OF_RUN,
    Figures,
    Numbers,
    Row,
    camera_figures,
    card_figures,
    coil_figures,
    evaluated_figures,
)

TABLES = (
    *("images", "predictions", "defects", "audit_predictions", "audit_defects", "quarantine"),
    *("metrics", "runs", "leading_runs", "drift", "repeats"),
)


def by_recount(tables: dict[str, list[Row]], run: str, classes: dict[int, str]) -> Figures:
    """Return the figures counted again from the tables as CSV files."""
    own = {name: [one for one in rows if one["run_id"] == run] for name, rows in tables.items()}
    kept = [one for one in own["defects"] if one["kept"]]
    (row,) = own["runs"]
    found = {
        "pictures": len(own["images"]),
        "defective": sum(one["verdict"] == "defect" for one in own["images"]),
        "coils": len({one["coil"] for one in own["images"] if one["coil"] is not None}),
    }
    places = sorted({one["coil"] for one in own["images"] if one["coil"] is not None})
    coils = [
        {
            "coil": coil,
            "pictures": sum(one["coil"] == coil for one in own["images"]),
            "defective": sum(
                (one["coil"], one["verdict"]) == (coil, "defect") for one in own["images"]
            ),
            "audit_found": sum(
                one["coil"] == coil and (one["audit_defects"] or 0) > 0 for one in own["images"]
            ),
        }
        for coil in places
    ]
    by_coil = [
        {"coil": coil, **_measured([one for one in kept if one["coil"] == coil], class_id)}
        for coil in places
        for class_id in classes
    ]
    return Figures(
        cards=card_figures(found, len(kept), row["quarantined"], own["metrics"]),
        cameras={
            f"camera {camera}": camera_figures(
                sum(one["camera"] == camera for one in own["images"]),
                sum((one["camera"], one["verdict"]) == (camera, "defect") for one in own["images"]),
            )
            for camera in {one["camera"] for one in own["images"]}
        },
        changes=_recounted_changes(tables, run, classes),
        coils=coil_figures(coils, [one for one in by_coil if one["defects"]], own["quarantine"]),
        reasons=_reasons(own["quarantine"]),
        evaluated=evaluated_figures(
            [one for one in tables["metrics"] if one["run_id"].startswith("evaluation")]
        ),
        classes={
            name: _class_figures(own["predictions"], kept, class_id)
            for class_id, name in classes.items()
            if any(one["class_id"] == class_id for one in own["predictions"])
        },
        run=[row[name] for name in OF_RUN],
    )


def _reasons(failed: Sequence[Row]) -> dict[tuple[str, str], Numbers]:
    told: dict[tuple[str, str], Numbers] = {}
    for one in failed:
        counts = told.setdefault((one["stage"], one["error"]), [0, 0, 0])
        counts[0] += 1
        counts[1] += one["transient"] and one["given_up"]
        counts[2] += not one["transient"]
    return told


def _measured(defects: Sequence[Row], class_id: int) -> Row:
    own = [one for one in defects if one["class_id"] == class_id]
    return {
        "defects": len(own),
        "area_mm2": round(math.fsum(one["area_mm2"] for one in own), 1),
        "longest_mm": max((one["length_mm"] for one in own), default=None),
    }


def _class_figures(predictions: Sequence[Row], kept: Sequence[Row], class_id: int) -> Numbers:
    own = [one for one in predictions if one["class_id"] == class_id]
    measured = _measured(kept, class_id)
    return [
        *(len(own), measured["defects"], sum(one["area"] for one in own)),
        *(measured["area_mm2"], measured["longest_mm"]),
    ]


def _recounted_changes(
    tables: dict[str, list[Row]], run: str, classes: dict[int, str]
) -> dict[str, Numbers]:
    """Compare a night with the nights before it, from the CSV files."""
    runs = sorted(tables["leading_runs"], key=lambda one: one["run_number"])
    ids = [one["run_id"] for one in runs if one["job"] == "score"]
    nights = ids[: ids.index(run) + 1]
    if len(nights) < 2:
        return {}
    coil_of = {(one["run_id"], one["source"], one["key"]): one["coil"] for one in tables["images"]}
    hits: dict[str, list[tuple[str, str | None]]] = {
        "pictures with a defect": _with_verdict(tables["images"], "defect"),
        "pictures stopped by the gate": _with_verdict(tables["images"], "gated"),
    }
    for class_id, name in classes.items():
        hits[f"pictures with {name}"] = [
            (one["run_id"], coil_of[one["run_id"], one["source"], one["key"]])
            for one in tables["predictions"]
            if one["class_id"] == class_id and (one["run_id"], one["source"], one["key"]) in coil_of
        ]
    return {
        name: _difference(nights, tables["images"], found, (1 - CONFIDENCE) / len(hits))
        for name, found in hits.items()
    }


def _with_verdict(images: Sequence[Row], verdict: str) -> list[tuple[str, str | None]]:
    return [(one["run_id"], one["coil"]) for one in images if one["verdict"] == verdict]


def _difference(
    nights: Sequence[str],
    images: Sequence[Row],
    hits: Sequence[tuple[str, str | None]],
    level: float,
) -> Numbers:
    of_all, of_hits = Counter((one["run_id"], one["coil"]) for one in images), Counter(hits)
    shares = []
    for night in nights:
        own = sorted((coil for run, coil in of_all if run == night), key=str)
        counts = tuple(of_all[night, coil] for coil in own)
        shares.append(Share(counts, tuple(of_hits[night, coil] for coil in own), None not in own))
    *before, tonight = shares
    usual = Share(
        tuple(one for share in before for one in share.pictures),
        tuple(one for share in before for one in share.hits),
        all(share.by_coil for share in before),
    )
    rate, usually = sum(tonight.hits) / sum(tonight.pictures), sum(usual.hits) / sum(usual.pictures)
    rates = [sum(one.hits) / sum(one.pictures) for one in before]
    interval = difference_interval(tonight, usual, level)
    return [rate, usually, rate - usually, *interval, min(rates), max(rates)]


def exported(output: str, folder: Path) -> dict[str, list[Row]]:
    """Write the tables of an output as CSV files, and read them."""
    found = {}
    for name in TABLES:
        file = folder / f"{name}.csv"
        done(steeldefect(["sql", f"FROM {name}", "--output", output, "--to", str(file)]))
        with file.open(encoding="utf-8", newline="") as lines:
            found[name] = [
                {column: _value(column, text) for column, text in row.items()}
                for row in csv.DictReader(lines)
            ]
    return found


_TEXTS = ("key", "source", "coil", "camera", "side", "class_name", "message", "sentence", "run_id")


def _value(column: str, text: str) -> Any:
    """Return a cell of a CSV file as what it was in the table."""
    if text == "":
        return None
    if column in _TEXTS:
        return text
    if text in ("True", "False"):
        return text == "True"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
