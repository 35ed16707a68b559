"""What a run wrote of each picture, in the form in which the library's functions answer."""

from __future__ import annotations

from typing import Any

from steeldefect.tables.schema import TableName
from support.archives import rows

_SIDES = ("top", "left", "bottom", "right")
_FINDING = (
    *("class_id", "class_name", "run_lengths", "area", "share", "regions"),
    *("mean_probability", "max_probability"),
)


def answers_of_job(output: object) -> dict[str, dict[str, Any]]:
    """Give, by key, what `PictureResult.as_dict` must be, less the name."""
    found: dict[str, dict[str, Any]] = {
        row["key"]: {
            "verdict": row["verdict"],
            "gate_probability": row["gate_probability"],
            "width": row["width"],
            "height": row["height"],
            "findings": [],
            "error": None,
            "novelty": row["novelty"],
        }
        for row in rows(output, TableName.IMAGES)
    }
    for row in sorted(rows(output, TableName.PREDICTIONS), key=lambda row: row["class_id"]):
        finding = {name: row[name] for name in _FINDING}
        finding["box"] = {side: row[f"box_{side}"] for side in _SIDES}
        found[row["key"]]["findings"].append(finding)
    nothing = ("verdict", "gate_probability", "width", "height", "findings")
    for row in rows(output, TableName.QUARANTINE):
        error = f"{row['error']}: {row['message']}"
        found[row["key"]] = dict.fromkeys(nothing) | {"error": error, "novelty": None}
    return found
