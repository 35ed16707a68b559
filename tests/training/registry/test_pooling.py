"""Test pooling the folds of a cross-validation."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.published import Answers, publishable

from steeldefect.bundle.files import Bundle
from steeldefect.errors import DataError
from steeldefect.stores import S3Settings
from training.__main__ import main
from training.registry.comparison import find_contender
from training.registry.pooling import pool

S3 = S3Settings()


def test_folds_are_scored_as_one_held_out_set(
    rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    halves = [Answers(pictures=40, seed=1), Answers(pictures=40, first=40, seed=1)]
    folders = [
        publishable(rule_bundle, tmp_path / str(number), half).folder
        for number, half in enumerate(halves)
    ]
    pooled = pool([find_contender(str(folder), S3) for folder in folders])
    values = {(one.name, one.class_id): one for one in pooled.scores}
    each = [half.rows().scores() for half in halves]
    sums = [
        {(one.name, one.class_id): one.support * (one.value or 0) for one in scores}
        for scores in each
    ]
    name = ("positives_dice", None)
    expected = sum(one[name] for one in sums) / values[name].support
    assert values[name].value == pytest.approx(expected)
    assert values["gate_recall", None].support == 40
    assert main(["pool", *map(str, folders)]) == 0
    shown = capsys.readouterr().out
    assert "80 pictures, each held out by one of 2 bundles" in shown
    assert f"{values[name].value:.4f}" in shown


def test_a_picture_is_held_out_once(rule_bundle: Bundle, tmp_path: Path) -> None:
    folders = [
        publishable(rule_bundle, tmp_path / name, Answers()).folder for name in ("one", "other")
    ]
    contenders = [find_contender(str(folder), S3) for folder in folders]
    with pytest.raises(DataError, match="held out by more than one of these bundles"):
        pool(contenders)
