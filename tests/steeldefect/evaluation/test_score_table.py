"""The table of scores that a fit, folds and an evaluation print."""

from __future__ import annotations

import numpy as np
import pandas as pd

from steeldefect.evaluation.metrics import gate_scores, segmentation_scores
from steeldefect.evaluation.score_table import score_table

TABLE = """\
           positive pairs  mean_dice  all_empty_dice  positives_dice  pooled_dice      iou
all pairs               1     0.6667          0.7500          0.6667       0.5714   0.4000
1 scratch               1     0.3333          0.5000          0.6667       0.5714   0.4000
2 dent                  0     1.0000          1.0000               -            -        -

gate_recall            1.0000  (1 pictures)
gate_clean_recall      1.0000  (1 pictures)
gate_auc               1.0000  (2 pictures)
gate_accuracy          1.0000  (2 pictures)
gate_pass_share        0.5000  (2 pictures)
"""

EMPTY = """\
           positive pairs  mean_dice  all_empty_dice  positives_dice  pooled_dice      iou
all pairs               -          -               -               -            -        -

"""


def test_masks_have_a_row_for_each_class_and_pictures_a_line_for_each_score() -> None:
    counts = {"class_id": [1, 2, 1, 2], "tp": [4, 0, 0, 0], "fp": [0, 0, 2, 0], "fn": [4, 0, 0, 0]}
    scores = segmentation_scores(pd.DataFrame(counts), [1, 2])
    passed = np.array([True, False])
    scores += gate_scores(passed, np.array([0.75, 0.25]), passed)
    # of the pairs of class 1, one has tp 4 and fn 4 (Dice 2/3), the other fp 2 alone (Dice 0)
    assert score_table({1: "scratch", 2: "dent"}, scores) == TABLE.splitlines()


def test_nothing_to_score_is_dashes() -> None:
    assert score_table({}, []) == EMPTY.splitlines()
