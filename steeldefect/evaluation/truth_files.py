"""Read the truth from label files: masks, picture labels, groups."""

from __future__ import annotations

import pandas as pd

from steeldefect.addresses import split_file
from steeldefect.errors import DataError, StoreError, StoreUnavailableError
from steeldefect.evaluation.true_masks import store_masks
from steeldefect.evaluation.truth import Truth
from steeldefect.labels import label_files
from steeldefect.stores import S3Settings, Store, open_store

GROUPS_FILE = "groups.csv"

_PIECE = 2**20  # bytes of a label file that are read at once


def read_truth(
    masks_uri: str, labels_uri: str | None, s3: S3Settings, groups_uri: str | None = None
) -> Truth:
    """Read the label files from a folder or from S3.

    Args:
        masks_uri: address of the CSV with the true run lengths.
        labels_uri: address of the CSV `ImageId,label` of the pictures with known truth; None to
            look for `labels.csv` or `defect_and_no_defect.csv` beside the masks file.
        s3: how S3 is reached.
        groups_uri: address of the CSV `ImageId,group`; None to look for `groups.csv` beside the
            masks file.

    Raises:
        DataError: a file is missing or malformed, or the two files contradict each other.
    """
    folder, name = _open_beside(masks_uri, s3)
    try:
        pieces = folder.pieces(name, _PIECE)
        masks = store_masks(label_files.scan_masks(pieces, masks_uri), masks_uri)
        labels = _read_labels(folder, labels_uri, s3)
        groups_source, groups = read_groups(folder, groups_uri, s3)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        raise DataError(f"labels: {error}") from None
    source = f"{folder.uri}/{name}"
    if labels is None:
        return Truth(masks, None, source, groups=groups, groups_source=groups_source)
    where, rows = labels
    drawn = masks.rows[masks.rows["drawn"]].merge(rows[~rows["label"]], on="ImageId")
    if len(drawn):
        named = [
            f"{row.ImageId} (line {row.line_x}, labelled in line {row.line_y})"
            for row in drawn.itertuples()
        ]
        raise DataError(
            f"labelled 0 (clean) in {where}, but with masks in {masks_uri}: "
            f"{label_files.listed(named)}"
        )
    names = rows["ImageId"].tolist()  # once: both dictionaries share these texts
    return Truth(
        masks,
        dict(zip(names, rows["label"].tolist(), strict=True)),
        source,
        dict(zip(names, rows["line"].tolist(), strict=True)),
        where,
        groups,
        groups_source,
    )


def _read_labels(
    folder: Store, labels_uri: str | None, s3: S3Settings
) -> tuple[str, pd.DataFrame] | None:
    """Return the labels file's address and rows; None if none was named and none is there."""
    if labels_uri is not None:
        place, name = _open_beside(labels_uri, s3)
        return labels_uri, label_files.scan_label_rows(place.pieces(name, _PIECE), labels_uri)
    present = [
        name
        for name in label_files.LABELS_FILES
        if any(found.key == name for found in folder.scan(name))
    ]
    if len(present) > 1:
        raise DataError(
            f"{folder.uri} has both {' and '.join(present)}; keep one, or name one by --pictures"
        )
    if not present:
        return None
    address = f"{folder.uri}/{present[0]}"
    return address, label_files.scan_label_rows(folder.pieces(present[0], _PIECE), address)


def read_groups(
    folder: Store, groups_uri: str | None, s3: S3Settings
) -> tuple[str, dict[str, str]]:
    """Return the groups file's address, and the group of each picture that has one, by name.

    Args:
        folder: where `groups.csv` is looked for if no file is named.
        groups_uri: address of the file; None to look for it.
        s3: how S3 is reached.
    """
    place, name = (folder, GROUPS_FILE) if groups_uri is None else _open_beside(groups_uri, s3)
    address = groups_uri or f"{folder.uri}/{name}"
    if groups_uri is None and all(found.key != name for found in folder.scan(name)):
        return address, {}
    rows = label_files.read_pairs(place.read(name), address, "group")
    rows = rows[rows["group"] != ""]
    return address, dict(zip(rows["ImageId"], rows["group"], strict=True))


def _open_beside(uri: str, s3: S3Settings) -> tuple[Store, str]:
    """Open the folder of a file, and return the folder's store and the file's name."""
    folder, name = split_file(uri)
    return open_store(folder, s3), name
