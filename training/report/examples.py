"""Which held-out pictures are shown: the best, the worst, and the two ways to be plainly wrong."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from training.report.contents import Report

_BEST, _WORST, _FALSE_ALARMS, _STOPPED = 4, 8, 4, 4


@dataclass(frozen=True)
class Examples:
    """Pictures to show under one heading, by name, the most telling first.

    Attributes:
        total: how many there are of the kind; more than `names` where not all are shown.
    """

    heading: str
    names: tuple[str, ...]
    total: int


def choose(report: Report) -> list[Examples]:
    """Choose pictures, one of each group: those of a group look alike. No kind is empty."""
    by_dice = _by_dice(report)
    best = _first(by_dice, min(_BEST, len(by_dice) // 3))
    worst = _first(_in_turn(report, set(by_dice["ImageId"]) - set(best)), _WORST)
    alarms = _false_alarms(report)
    stopped = _stopped(report)
    kinds = [
        Examples("The worst by Dice, each class in turn", worst, len(by_dice)),
        Examples("The best by Dice", best, len(by_dice)),
        Examples("Clean pictures, false alarms", _first(alarms, _FALSE_ALARMS), len(alarms)),
        Examples("Defective pictures stopped by the gate", _first(stopped, _STOPPED), len(stopped)),
    ]
    return [one for one in kinds if one.names]


def _first(pictures: pd.DataFrame, count: int) -> tuple[str, ...]:
    return tuple(pictures.drop_duplicates("group")["ImageId"].head(count))


def _by_dice(report: Report) -> pd.DataFrame:
    """Pictures with truth that went on to the segmenter, the best by mean Dice first."""
    judged = report.judged
    passed = set(judged.loc[judged["passed"], "ImageId"])
    each = (
        report.positives.groupby("ImageId", sort=True)
        .agg(group=("group", "first"), dice=("dice", "mean"), truth=("truth", "sum"))
        .reset_index()
    )
    each = each[each["ImageId"].isin(passed)]
    return each.sort_values(["dice", "truth", "ImageId"], ascending=[False, False, True])


def _in_turn(report: Report, names: set[str]) -> pd.DataFrame:
    """The worst pair with truth of each class, then each second worst, and so on.

    Of equals the larger defect is first. All classes are seen to fail, not the hardest alone.
    """
    pairs = report.positives[report.positives["ImageId"].isin(names)]
    pairs = pairs.sort_values(["dice", "truth", "ImageId"], ascending=[True, False, True])
    turn = pairs.groupby("class_id").cumcount()
    return pairs.assign(turn=turn).sort_values("turn", kind="stable")


def _false_alarms(report: Report) -> pd.DataFrame:
    """Clean pictures with false positive pixels, the most first."""
    clean = report.pairs[~report.pairs["defective"].astype(bool)]
    each = clean.groupby("ImageId", sort=True).agg(group=("group", "first"), fp=("fp", "sum"))
    each = each[each["fp"] > 0].reset_index()
    return each.sort_values(["fp", "ImageId"], ascending=[False, True])


def _stopped(report: Report) -> pd.DataFrame:
    """Defective pictures that were not segmented, those with the largest defects first."""
    judged = report.judged
    stopped = judged[judged["defective"] & ~judged["passed"]]
    area = report.positives.groupby("ImageId")["truth"].sum()
    stopped = stopped.assign(truth=stopped["ImageId"].map(area).fillna(0))
    return stopped.sort_values(["truth", "ImageId"], ascending=[False, True])
