"""Choose the held-out pictures to show: the best, the worst, false alarms, stopped defects."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from training.report.contents import Report

_BEST, _WORST, _FALSE_ALARMS, _STOPPED = 4, 8, 4, 4


@dataclass(frozen=True)
class Examples:
    """The pictures under one heading.

    Attributes:
        heading: heading of the kind.
        names: names of the pictures shown, in order of importance.
        total: number of pictures of this kind, shown or not.
    """

    heading: str
    names: tuple[str, ...]
    total: int


def choose(report: Report) -> list[Examples]:
    """Choose the pictures of each kind; kinds without pictures are left out.

    At most one picture of a group is shown, because pictures of a group look alike.
    """
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
    """Return the segmented pictures with truth, by mean Dice, the best first."""
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
    """Return the worst pair with truth of each class, then the second worst, and so on.

    This order shows failures of all classes, not only of the hardest. Among equal Dice, the larger
    defect is first.
    """
    pairs = report.positives[report.positives["ImageId"].isin(names)]
    pairs = pairs.sort_values(["dice", "truth", "ImageId"], ascending=[True, False, True])
    turn = pairs.groupby("class_id").cumcount()
    return pairs.assign(turn=turn).sort_values("turn", kind="stable")


def _false_alarms(report: Report) -> pd.DataFrame:
    """Return the clean pictures with false positive pixels, the largest number first."""
    clean = report.pairs[~report.pairs["defective"].astype(bool)]
    each = clean.groupby("ImageId", sort=True).agg(group=("group", "first"), fp=("fp", "sum"))
    each = each[each["fp"] > 0].reset_index()
    return each.sort_values(["fp", "ImageId"], ascending=[False, True])


def _stopped(report: Report) -> pd.DataFrame:
    """Return the defective pictures that were not segmented, the largest defects first."""
    judged = report.judged
    stopped = judged[judged["defective"] & ~judged["passed"]]
    area = report.positives.groupby("ImageId")["truth"].sum()
    stopped = stopped.assign(truth=stopped["ImageId"].map(area).fillna(0))
    return stopped.sort_values(["truth", "ImageId"], ascending=[False, True])
