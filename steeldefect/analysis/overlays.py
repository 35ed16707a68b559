"""Choose scored pictures, and draw their predicted masks, and true masks on a second copy.

`steeldefect.analysis.drawings` draws, and decides which folders may hold drawings.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from steeldefect.analysis.drawings import Strip, earlier_drawings, free_path, save_drawing, sheet_of
from steeldefect.analysis.sql import choose_bundle, opened_database
from steeldefect.analysis.truth import match, pair_masks, read_predictions, read_truth
from steeldefect.errors import TableError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.program.new_files import Existing
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store, open_store


def draw_overlays(
    store: Store,
    settings: ScoreSettings,
    truth_uri: str | None,
    folder: Path,
    count: int,
    bundle: str | None = None,
) -> list[Path]:
    """Draw the pictures with the largest masks, predicted or true, of each class in turn.

    Args:
        store: store that holds the tables.
        settings: how the pictures' store is reached, and the limits for decoding.
        truth_uri: address of the CSV of true masks, which are drawn on a second copy below the
            first; None to draw predicted masks only.
        folder: folder for the PNG files; drawings of an earlier call are replaced.
        count: largest number of pictures that are drawn.
        bundle: digest of a bundle, or the digest's first characters; None for the latest bundle
            that scored.

    Returns:
        Paths of the drawings.

    Raises:
        TableError: no picture has a mask.
        StoreError: a picture cannot be read, or a drawing cannot be written.
        AlreadyExistsError: the folder holds something that is not a drawing.
    """
    with opened_database(store) as connection:
        predictions = read_predictions(connection, choose_bundle(connection, bundle))
    pairs = _pairs(predictions.images, predictions.findings)
    if truth_uri is not None:
        truth = read_truth(truth_uri, None, settings.s3)
        pairs = pair_masks(match(predictions, truth), truth)
    chosen = _choose_pictures(pairs, count)
    if not chosen:
        raise TableError(f"no picture to draw at {store.uri}: no picture has a mask")
    earlier = earlier_drawings(folder)
    paths: list[Path] = []
    for source, key in chosen:
        rows = pairs[(pairs["source"] == source) & (pairs["key"] == key)]
        data = open_store(source, settings.s3).read(key)
        picture = decode_gray(data, DecodeLimits(settings.max_picture_pixels))
        path = free_path(folder, key, paths)
        sheet = sheet_of(picture, _strips(rows, predictions.classes, key))
        save_drawing(sheet, path, Existing.REPLACE)
        paths.append(path)
    for path in earlier:
        if path not in paths:
            path.unlink(missing_ok=True)
    return paths


def _pairs(images: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    joined = images.merge(findings, on=["source", "key", "run_id"])
    return joined.rename(columns={"run_lengths": "found"})


def _choose_pictures(pairs: pd.DataFrame, count: int) -> list[tuple[str, str]]:
    """Return source and key of the pictures to draw: classes in turn, largest masks first."""
    columns = [name for name in ("found", "truth") if name in pairs]
    drawn = pairs[(pairs[columns] != "").any(axis=1)]
    drawn = drawn.assign(area=drawn[columns].map(_area).max(axis=1))
    drawn = drawn.sort_values("area", ascending=False)
    drawn = drawn.assign(turn=drawn.groupby("class_id").cumcount()).sort_values(
        "turn", kind="stable"
    )
    chosen = drawn.drop_duplicates(["source", "key"]).head(count)
    return list(zip(chosen["source"], chosen["key"], strict=True))


def _area(text: str) -> int:
    return run_lengths.area(run_lengths.parse(text))


def _strips(rows: pd.DataFrame, classes: dict[int, str], key: str) -> list[Strip]:
    probability = rows["gate_probability"].iloc[0]
    verdict = rows["verdict"].iloc[0]
    gate = "" if pd.isna(probability) else f", gate {probability:.3f}"
    strips = []
    for column, what in (("found", "found"), ("truth", "truth")):
        if column not in rows:
            continue
        drawn = rows[rows[column] != ""]
        masks = {
            int(class_id): run_lengths.parse(text)
            for class_id, text in zip(drawn["class_id"], drawn[column], strict=True)
        }
        note = f" ({verdict}{gate})" if what == "found" else ""
        nothing = "" if masks else " nothing"
        names = {one: classes.get(one, f"class {one}") for one in masks}
        strips.append(Strip(f"{key}: {what}{nothing}{note}", masks, names))
    return strips
