"""Read masks without pictures: run lengths, from which layouts are made."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from steeldefect.errors import DataError, RunLengthError
from steeldefect.labels.label_files import listed
from steeldefect.pictures import run_lengths
from training.compositing.layouts import Layout
from training.compositing.regions import Shape
from training.data.dataset import LabelledPicture
from training.data.labels import read_masks


@dataclass(frozen=True)
class MaskFile:
    """What a masks file holds.

    Attributes:
        name: name of the file.
        digest: sha256 of its bytes.
        layouts: one for each picture that it names and that may be used; a picture with empty
            cells alone is clean.
        left_out: number of pictures that were left out because they are held out.
    """

    name: str
    digest: str
    layouts: tuple[Layout, ...]
    left_out: int


def read_mask_file(
    path: Path, shape: Shape, class_ids: Collection[int], held_out: Sequence[LabelledPicture]
) -> MaskFile:
    """Read a masks file, without the masks of held-out pictures.

    A mask belongs to a held-out picture if it has its name, whatever the extension, or exactly its
    run lengths.

    Args:
        path: masks file, as `docs/labels.md` describes it.
        shape: (height, width) of the pictures of the masks, in pixels.
        class_ids: the classes that may be named.
        held_out: pictures that must not contribute.

    Raises:
        DataError: the file is missing or malformed, a mask ends outside `shape`, or a class is not
            one of `class_ids`; the message names the line.
    """
    rows = read_masks(path)
    _refuse_unknown(rows, class_ids, path)
    names = {Path(one.name).stem for one in held_out}
    texts = {
        (number, run_lengths.to_text(runs)) for one in held_out for number, runs in one.runs.items()
    }
    layouts, left_out = [], 0
    for name, own in rows.groupby("ImageId", sort=True):
        pairs = set(zip(own["ClassId"], own["EncodedPixels"].map(_spaced), strict=True))
        if Path(str(name)).stem in names or pairs & texts:
            left_out += 1
            continue
        layouts.append(Layout(shape, dict(_parsed(own, shape, path)), str(name)))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return MaskFile(path.name, digest, tuple(layouts), left_out)


def _refuse_unknown(rows: pd.DataFrame, class_ids: Collection[int], path: Path) -> None:
    unknown = rows[~rows["ClassId"].isin(list(class_ids))].drop_duplicates("ClassId")
    if len(unknown):
        named = [f"{row.ClassId} (line {row.line})" for row in unknown.itertuples()]
        known = ", ".join(str(number) for number in sorted(class_ids))
        raise DataError(
            f"{path} has class ids that are not known: {listed(named)}; known are {known}: name "
            "the classes in classes.json, or take the rows out"
        )


def _parsed(rows: pd.DataFrame, shape: Shape, path: Path) -> Iterator[tuple[int, run_lengths.Runs]]:
    cells = zip(rows["ClassId"], rows["EncodedPixels"], rows["line"], strict=True)
    for number, text, line in cells:
        try:
            runs = run_lengths.parse(text, shape)
        except RunLengthError as error:
            raise DataError(
                f"{path}, line {line}: {error}; give the size of the pictures of these masks: "
                "--mask-size HEIGHTxWIDTH"
            ) from None
        if len(runs):
            yield int(number), runs


def _spaced(text: str) -> str:
    return " ".join(text.split())
