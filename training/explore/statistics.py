"""Compute the figures of a folder as tables, for the page and the CSV files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from training.explore.findings import Findings

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Headline:
    """The main figures of a folder.

    Attributes:
        pictures: number of pictures in the folder or in a label file.
        label_rows: number of rows in the labels file; a picture may have several.
        defective: number of defective pictures.
        clean: number of clean pictures.
        unsaid: number of pictures without a label, or with contradictory labels.
        mask_rows: number of rows with well-formed run lengths.
        empty_share: share of the pairs of picture and class without a mask. An empty answer
            scores this mean Dice by Kaggle's measure. None if no picture's masks are known.
    """

    pictures: int
    label_rows: int
    defective: int
    clean: int
    unsaid: int
    mask_rows: int
    empty_share: float | None


def headline(findings: Findings) -> Headline:
    """Count pictures, labels and masks."""
    verdicts = Counter(verdict.defective for verdict in findings.verdicts.values())
    labels = findings.source.labels
    pairs = len(findings.known) * len(findings.class_names)
    masked = sum(len(findings.masks_by_picture.get(name, ())) for name in findings.known)
    return Headline(
        pictures=len(findings.verdicts),
        label_rows=0 if labels is None else len(labels.rows),
        defective=verdicts[True],
        clean=verdicts[False],
        unsaid=verdicts[None],
        mask_rows=len(findings.masks.sound),
        empty_share=1 - masked / pairs if pairs else None,
    )


def classes(findings: Findings) -> pd.DataFrame:
    """Return one row for each class: rows, pictures, areas (pixels, shares), regions."""
    rows = masks(findings)
    pixels = sum(facts.shape[0] * facts.shape[1] for facts in findings.pictures.values())
    total = max(1, len(rows))
    table = []
    for number, name in findings.class_names.items():
        own = rows[rows["ClassId"] == number]
        area = own["area"]
        table.append(
            (
                *(number, name, len(own), own["ImageId"].nunique(), len(own) / total),
                *(area.min(), area.median(), area.mean(), area.max()),
                own["share"].dropna().median(),
                own["regions"].dropna().median(),
                area.sum() / pixels if pixels else float("nan"),
            )
        )
    columns = ["ClassId", "class_name", "rows", "pictures", "share_of_rows"]
    columns += ["area_min", "area_median", "area_mean", "area_max"]
    columns += ["share_median", "regions_median", "share_of_all_pixels"]
    return pd.DataFrame(table, columns=columns)


def masks(findings: Findings) -> pd.DataFrame:
    """Return one row for each mask: area in pixels, share of the picture, box, regions."""
    columns = ["ImageId", "ClassId", "class_name", "area", "share"]
    columns += ["left", "top", "right", "bottom", "regions"]
    rows = [
        (
            one.name,
            one.class_id,
            findings.class_names[one.class_id],
            one.area,
            one.share,
            *(
                (one.box.left, one.box.top, one.box.right, one.box.bottom)
                if one.box
                else [None] * 4
            ),
            one.regions,
        )
        for one in findings.masks.sound
    ]
    table = pd.DataFrame(rows, columns=columns)
    whole = ["left", "top", "right", "bottom", "regions"]
    return table.astype({"share": float} | dict.fromkeys(whole, "Int64"))


def classes_per_picture(findings: Findings) -> pd.DataFrame:
    """Count the pictures with 0, 1, 2, ... classes, among pictures whose masks are known."""
    counts = Counter(len(findings.masks_by_picture.get(name, ())) for name in findings.known)
    rows = [(number, counts[number]) for number in range(max(counts, default=-1) + 1)]
    return pd.DataFrame(rows, columns=["classes", "pictures"])


def combinations(findings: Findings) -> pd.DataFrame:
    """Count the combinations of classes in one picture, most frequent first."""
    counts = Counter(tuple(sorted(found)) for found in findings.masks_by_picture.values())
    rows = [
        (
            "+".join(map(str, numbers)),
            " + ".join(findings.class_names[number] for number in numbers),
            count,
        )
        for numbers, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    ]
    return pd.DataFrame(rows, columns=["ClassIds", "class_names", "pictures"])


def labels(findings: Findings) -> pd.DataFrame:
    """Count rows of the labels file and pictures: defective, clean, not stated."""
    source = findings.source.labels
    rows = Counter() if source is None else Counter(source.rows["label"])
    verdicts = Counter(verdict.defective for verdict in findings.verdicts.values())
    stated = [("1", "defective", True), ("0", "clean", False)]
    table: list[tuple[str, str, int, int]] = [
        (label, name, rows.pop(label, 0), verdicts[defective]) for label, name, defective in stated
    ]
    if verdicts[None] or rows:
        table.append(("", "not stated, or contradictory", rows.total(), verdicts[None]))
    return pd.DataFrame(table, columns=["label", "meaning", "rows", "pictures"])


def sizes(findings: Findings) -> pd.DataFrame:
    """Count picture sizes in pixels, most frequent first."""
    counts = Counter(facts.shape for facts in findings.pictures.values())
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    rows = [(width, height, count) for (height, width), count in ordered]
    return pd.DataFrame(rows, columns=["width", "height", "pictures"])


def pictures(findings: Findings) -> pd.DataFrame:
    """Return one row for each picture that decodes: size, gray level, label and classes."""
    columns = ["ImageId", "width", "height", "file_size", "gray_mean", "gray_deviation"]
    columns += ["defective", "ClassIds"]
    rows = [
        (
            one.name,
            one.shape[1],
            one.shape[0],
            one.file_size,
            round(one.mean, 2),
            round(one.deviation, 2),
            findings.verdicts[one.name].defective,
            "+".join(map(str, sorted(findings.masks_by_picture.get(one.name, ())))),
        )
        for one in findings.pictures.values()
    ]
    return pd.DataFrame(rows, columns=columns).astype({"defective": "boolean"})


def duplicates(findings: Findings) -> pd.DataFrame:
    """Return one row for each picture with duplicates, in the form of groups.csv."""
    rows = [
        (name, found.names[0], "identical" if found.identical else "similar", found.correlation)
        for found in findings.duplicates
        for name in found.names
    ]
    return pd.DataFrame(rows, columns=["ImageId", "group", "match", "correlation"])


def faults(findings: Findings) -> pd.DataFrame:
    """Return one row for each fault."""
    rows = [
        (one.kind.value, one.name, one.class_id, one.line, one.detail) for one in findings.faults
    ]
    table = pd.DataFrame(rows, columns=["fault", "ImageId", "ClassId", "line", "detail"])
    return table.astype({"ClassId": "Int64", "line": "Int64"})


def tabulate(findings: Findings) -> dict[str, pd.DataFrame]:
    """Return all tables by name."""
    return {name: table(findings) for name, table in _TABLES.items()}


_TABLES = {
    "classes": classes,
    "classes_per_picture": classes_per_picture,
    "combinations": combinations,
    "labels": labels,
    "masks": masks,
    "sizes": sizes,
    "pictures": pictures,
    "duplicates": duplicates,
    "faults": faults,
}
