"""Choose scored pictures, and draw their predicted masks, and true masks on a second copy.

`steeldefect.analysis.drawings` draws, and decides which folders may hold drawings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.analysis.drawings import Strip, earlier_drawings, free_path, save_drawing, sheet_of
from steeldefect.analysis.sql import choose_bundle, opened_database
from steeldefect.errors import TableError
from steeldefect.evaluation.pairing import DrawnPairs
from steeldefect.evaluation.true_masks import store_masks
from steeldefect.evaluation.truth import Truth, match, read_predictions, without_truth
from steeldefect.evaluation.truth_files import read_truth
from steeldefect.pictures import run_lengths
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.program.new_files import Existing
from steeldefect.program.progress import warn
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store, open_store

_NO_AREAS = pd.DataFrame({"picture": [], "class_id": [], "area": []}, dtype="int64")


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
        truth = Truth(store_masks([], ""), None, "")
        scored = without_truth(predictions)
        if truth_uri is not None:
            truth = read_truth(truth_uri, None, settings.s3)
            scored = match(predictions, truth)
            for note in scored.notes:
                warn(note)
        drawn = DrawnPairs(connection, scored, truth)
        chosen = _choose_pictures(map(_areas, drawn.tables()), count)
        pairs = pd.concat([_of(one, chosen) for one in drawn.tables()] or [pd.DataFrame()])
    if not chosen:
        raise TableError(f"no picture to draw at {store.uri}: no picture has a mask")
    columns = ["found", "truth"] if truth_uri is not None else ["found"]
    earlier = earlier_drawings(folder)
    paths: list[Path] = []
    for picture in chosen:
        image = scored.images.iloc[picture]
        source, key = str(image["source"]), str(image["key"])
        data = open_store(source, settings.s3).read(key)
        gray = decode_gray(data, DecodeLimits(settings.max_picture_pixels))
        path = free_path(folder, key, paths)
        rows = pairs[pairs["picture"] == picture].sort_values("class_id")
        sheet = sheet_of(gray, _strips(image, rows, columns, scored.classes))
        save_drawing(sheet, path, Existing.REPLACE)
        paths.append(path)
    for path in earlier:
        if path not in paths:
            path.unlink(missing_ok=True)
    return paths


def _areas(pairs: pa.Table) -> pd.DataFrame:
    """Return the area of the larger mask of each pair: columns picture, class_id, area."""
    texts = zip(pairs["found"].to_pylist(), pairs["truth"].to_pylist(), strict=True)
    areas = [max(_area(found), _area(truth)) for found, truth in texts]
    named: pd.DataFrame = pairs.select(["picture", "class_id"]).to_pandas()
    return named.assign(area=areas)


def _area(text: str) -> int:
    return run_lengths.area(run_lengths.parse(text))


def _choose_pictures(areas: Iterable[pd.DataFrame], count: int) -> list[int]:
    """Return the pictures to draw: classes in turn, largest masks first."""
    found = pd.concat([_NO_AREAS, *areas])
    found = found.sort_values(["area", "picture"], ascending=[False, True])
    turn = found.groupby("class_id").cumcount()
    ordered = found.assign(turn=turn).sort_values("turn", kind="stable")
    return [int(one) for one in ordered["picture"].drop_duplicates().head(count)]


def _of(pairs: pa.Table, pictures: Sequence[int]) -> pd.DataFrame:
    wanted = pc.is_in(pairs["picture"], pa.array(pictures, pa.int64()))
    chosen: pd.DataFrame = pairs.filter(wanted).to_pandas()
    return chosen


def _strips(
    image: pd.Series, rows: pd.DataFrame, columns: Sequence[str], classes: dict[int, str]
) -> list[Strip]:
    probability = image["gate_probability"]
    gate = "" if pd.isna(probability) else f", gate {probability:.3f}"
    strips = []
    for what in columns:
        drawn = rows[rows[what] != ""]
        masks = {
            int(class_id): run_lengths.parse(text)
            for class_id, text in zip(drawn["class_id"], drawn[what], strict=True)
        }
        note = f" ({image['verdict']}{gate})" if what == "found" else ""
        nothing = "" if masks else " nothing"
        names = {one: classes.get(one, f"class {one}") for one in masks}
        strips.append(Strip(f"{image['key']}: {what}{nothing}{note}", masks, names))
    return strips
