"""Read `held_out.csv`: the results of a bundle on the held-out pictures, per picture and class.

    ImageId,group,defective,gate_probability,passed,class_id,tp,fp,fn,tn

`gate_probability` is empty without a gate. The counts are in pixels; they are empty for defective
pictures whose masks nobody drew. The file holds counts instead of scores, so that two bundles can
be compared picture by picture at any time after their fits.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.bundle.manifest import Score
from steeldefect.errors import BundleError
from steeldefect.evaluation import metrics

HELD_OUT_NAME = "held_out.csv"

_COLUMNS = (
    *("ImageId", "group", "defective", "gate_probability", "passed"),
    *("class_id", "tp", "fp", "fn"),
)
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class HeldOutRows:
    """The checked rows of one bundle: a table of pictures, and a table of (picture, class) pairs.

    Attributes:
        pictures: indexed by ImageId, ascending; columns group (text), defective (bool),
            probability (float64, NaN without a gate), passed (bool: reached the segmenter).
        pairs: one row per class for each picture with known masks, ascending; columns ImageId,
            class_id, tp, fp, fn (int64, pixels).
        class_ids: ids of all classes, ascending.
    """

    pictures: pd.DataFrame
    pairs: pd.DataFrame
    class_ids: tuple[int, ...]

    @property
    def has_gate(self) -> bool:
        """Whether the bundle has a gate."""
        return bool(len(self.pictures)) and bool(self.pictures["probability"].notna().all())

    @property
    def defective(self) -> npt.NDArray[np.bool_]:
        """Whether each picture is truly defective: bool (pictures,)."""
        return self.pictures["defective"].to_numpy(dtype=bool)

    @property
    def passed(self) -> npt.NDArray[np.bool_]:
        """Whether the gate let each picture through: bool (pictures,)."""
        return self.pictures["passed"].to_numpy(dtype=bool)

    def places(self, names: pd.Series[str]) -> npt.NDArray[np.int64]:
        """Return the row numbers in `pictures` of these ImageIds: int64 (names,)."""
        return self.pictures.index.get_indexer(pd.Index(names)).astype(np.int64)

    def verdicts(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Return whether any defect was found, for the pictures with known masks.

        Returns:
            Row numbers in `pictures`: int64 (n,), and found: bool (n,).
        """
        hits = (self.pairs["tp"] + self.pairs["fp"]) > 0
        found = hits.groupby(self.pairs["ImageId"]).any()
        return self.places(found.index.to_series()), found.to_numpy(dtype=bool)

    def scores(self) -> list[Score]:
        """Compute all scores of `steeldefect.evaluation.metrics`.

        Verdict scores leave out defective pictures whose masks nobody drew: the file has no
        counts for them.
        """
        scores = metrics.segmentation_scores(self.pairs, self.class_ids)
        if self.has_gate:
            probability = self.pictures["probability"].to_numpy(dtype=np.float64)
            scores += metrics.gate_scores(self.defective, probability, self.passed)
        places, found = self.verdicts()
        return scores + metrics.verdict_scores(self.defective[places], found)


def join_held_out(parts: Sequence[HeldOutRows]) -> HeldOutRows:
    """Join the rows of bundles with the same classes that held out different pictures."""
    pairs = pd.concat([one.pairs for one in parts])
    return HeldOutRows(
        pd.concat([one.pictures for one in parts]).sort_index(),
        pairs.sort_values(["ImageId", "class_id"], ignore_index=True),
        parts[0].class_ids,
    )


def read_held_out(content: bytes, where: str) -> HeldOutRows:
    """Read `held_out.csv`.

    Args:
        content: bytes of the file.
        where: name of the bundle in error messages.

    Raises:
        BundleError: the content is not the table described above.
    """
    try:
        table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
        missing = [name for name in _COLUMNS if name not in table.columns]
        if missing:
            raise ValueError(f"no column {', '.join(missing)}")
        return _parse(table)
    except ValueError as error:
        raise BundleError(f"bundle {where}: {HELD_OUT_NAME}: {error}; export it again") from None


def _parse(table: pd.DataFrame) -> HeldOutRows:
    if table.duplicated(["ImageId", "class_id"]).any():
        raise ValueError("more than one row for a picture and class")
    rows = pd.DataFrame(
        {
            "ImageId": table["ImageId"],
            "group": table["group"],
            "defective": _flags(table["defective"]),
            "probability": _numbers(table["gate_probability"]),
            "passed": _flags(table["passed"]),
            "class_id": pd.to_numeric(table["class_id"]).astype(np.int64),
        }
        | {name: _numbers(table[name]) for name in ("tp", "fp", "fn")}
    ).sort_values(["ImageId", "class_id"], ignore_index=True)
    pictures = rows.drop_duplicates("ImageId").set_index("ImageId")
    known = rows.dropna(subset=["tp", "fp", "fn"])
    pairs = known[["ImageId", "class_id", "tp", "fp", "fn"]].reset_index(drop=True)
    return HeldOutRows(
        pictures[["group", "defective", "probability", "passed"]],
        pairs.astype(dict.fromkeys(("tp", "fp", "fn"), np.int64)),
        tuple(sorted({int(number) for number in rows["class_id"]})),
    )


def _flags(texts: pd.Series[str]) -> pd.Series[bool]:
    flags = texts.str.lower().map(_TRUTH)
    if flags.isna().any():
        raise ValueError(f"{texts.name}: expected True or False")
    return flags.astype(bool)


def _numbers(texts: pd.Series[str]) -> pd.Series[float]:
    return pd.to_numeric(texts.mask(texts == "")).astype(np.float64)
