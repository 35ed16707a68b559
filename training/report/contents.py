"""The data of a report, and the views of it that several sections use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.bundle.manifest import Manifest, Score
from steeldefect.detection.gating import reaches_threshold
from steeldefect.evaluation import metrics
from steeldefect.pictures import run_lengths
from training.calibration.curves import Curves
from training.data.dataset import LabelledPicture
from training.recipe import Keep
from training.report.intervals import Interval, positives_dice_interval

_COUNTS = ["tp", "fp", "fn", "tn"]


@dataclass(frozen=True)
class Report:
    """The data of a report.

    Attributes:
        manifest: final, with held-out scores, calibration, compiled forms and training record.
        history: by model, then by curve (loss, val_loss, auc, learning_rate, ...): one value for
            each epoch.
        held_out: one row for each held-out picture and class; columns ImageId, group, defective
            (0 or 1), gate_probability (calibrated; NaN without a gate), passed (0 or 1),
            class_id, and tp, fp, fn, tn (pixels; NA where the true masks are not known).
        curves: curves of the calibration, on the validation part.
        pictures: held-out pictures.
        found: run lengths of the masks that the exported models found, by picture and class id.
    """

    manifest: Manifest
    history: Mapping[str, Mapping[str, Sequence[float]]]
    held_out: pd.DataFrame
    curves: Curves
    pictures: Sequence[LabelledPicture]
    found: Mapping[str, Mapping[int, run_lengths.Runs]]

    def keep(self, model: str) -> Keep:
        """Return which epoch of a model (`segmenter` or `gate`) the fit has kept."""
        section = self.manifest.training.recipe.get(model)
        kept = section.get("keep") if isinstance(section, dict) else None
        return Keep.BEST if kept is None else Keep(str(kept))

    @cached_property
    def class_names(self) -> dict[int, str]:
        """Names by id, in the bundle's order."""
        return self.manifest.class_names

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Rows of `held_out` with known masks; counts are int64, columns dice and truth are added.

        `dice` is `steeldefect.evaluation.metrics.dice`; `truth` is the area of the true mask in
        pixels.
        """
        known = self.held_out.dropna(subset=_COUNTS)
        known = known.astype(dict.fromkeys(_COUNTS, "int64"))
        return known.assign(dice=metrics.dice(known), truth=known["tp"] + known["fn"])

    @cached_property
    def positives(self) -> pd.DataFrame:
        """Rows of `pairs` whose picture shows the class."""
        return self.pairs[self.pairs["truth"] > 0]

    @cached_property
    def judged(self) -> pd.DataFrame:
        """One row for each held-out picture.

        Columns ImageId, group, gate_probability; and as bool: defective, passed, above. `above`
        means at or above the gate's threshold: with a soft gate, every picture passes, but not
        every picture is above.
        """
        columns = ["ImageId", "group", "defective", "gate_probability", "passed"]
        each = self.held_out[columns].drop_duplicates("ImageId").reset_index(drop=True)
        each = each.astype({"defective": bool, "passed": bool})
        gate = self.manifest.gate
        if gate is None:
            return each.assign(above=each["passed"])
        probability = each["gate_probability"].to_numpy(np.float32)
        return each.assign(above=reaches_threshold(gate, probability))

    def score(self, name: str, class_id: int | None = None) -> Score | None:
        """Return a held-out score; None if there is none, or if it has no value."""
        return _find(self.manifest.held_out_scores, name, class_id)

    def gate_score(self, name: str) -> Score | None:
        """Return a held-out score of the gate at its threshold, for hard and soft gates."""
        return _find(self._gate_scores, name, None)

    @cached_property
    def _gate_scores(self) -> list[Score]:
        if self.manifest.gate is None:
            return []
        defective, above = (self.judged[name].to_numpy(bool) for name in ("defective", "above"))
        return metrics.gate_scores(defective, floats(self.judged["gate_probability"]), above)

    def validation_score(self, name: str, class_id: int | None = None) -> Score | None:
        """Return a score of the validation part; None without calibration."""
        calibration = self.manifest.calibration
        return None if calibration is None else _find(calibration.scores, name, class_id)

    def interval(self, class_id: int | None = None) -> Interval | None:
        """Return the 95% interval of Dice over pairs with truth, for one class or all classes."""
        return self._intervals[class_id]

    @cached_property
    def _intervals(self) -> dict[int | None, Interval | None]:
        rows = self.positives
        intervals: dict[int | None, Interval | None] = {None: positives_dice_interval(rows)}
        for one in self.class_names:
            intervals[one] = positives_dice_interval(rows[rows["class_id"] == one])
        return intervals


def value_of(score: Score | None) -> float | None:
    """Return the value of a score; None without a score."""
    return None if score is None else score.value


def floats(column: pd.Series) -> npt.NDArray[np.float64]:
    """Return a column as float64 (rows,)."""
    return column.to_numpy(np.float64)


def _find(scores: Sequence[Score], name: str, class_id: int | None) -> Score | None:
    matching = (one for one in scores if one.name == name and one.class_id == class_id)
    return next((one for one in matching if one.value is not None), None)
