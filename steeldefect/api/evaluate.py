"""Run the evaluation job from Python: `evaluate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from steeldefect.evaluation.evaluation import Evaluation, EvaluationRequest, recover_waves
from steeldefect.evaluation.metrics import IntervalScore
from steeldefect.settings import GivenSettings, settings_from
from steeldefect.spark.callers_session import callers_session, session_for

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class EvaluationResult:
    """The result of an evaluation. `str()` returns the report that the job prints.

    Attributes:
        run_id: id of the evaluation's run, as in the tables.
        bundle: digest of the bundle whose findings were compared.
        pictures: number of pictures that were compared.
        scores: all metrics, each with its value (None if its support is 0), its support, and the
            ends of its interval (None if there is none).
        report: the metrics as text.
    """

    run_id: str
    bundle: str
    pictures: int
    scores: tuple[IntervalScore, ...] = field(repr=False)
    report: str = field(repr=False)

    def __str__(self) -> str:
        """Return the report."""
        return self.report

    def value(
        self, name: str, class_id: int | None = None, size_class: str | None = None
    ) -> float | None:
        """Return the value of one metric; None if its support is 0.

        Args:
            name: name of the metric, as in the table `metrics`.
            class_id: id of a defect class; None for the metric over all classes.
            size_class: name of a size class; None for the metric over all sizes.

        Raises:
            KeyError: there is no such metric.
        """
        for score in self.scores:
            if (score.name, score.class_id, score.size_class) == (name, class_id, size_class):
                return score.value
        raise KeyError(name if class_id is None else f"{name} of class {class_id}")

    def metrics(self) -> pd.DataFrame:
        """Return all metrics as a frame; its columns are the fields of `IntervalScore`."""
        return pd.DataFrame([score.model_dump() for score in self.scores])


def evaluate(
    output: str | Path,
    labels: str | Path,
    *,
    pictures: str | Path | None = None,
    groups: str | Path | None = None,
    bundle: str | None = None,
    spark: SparkSession | None = None,
    settings: GivenSettings = None,
) -> EvaluationResult:
    """Compare the predictions with the truth, as `jobs/evaluate.py` does.

    The counts and metrics are written to the tables `confusions` and `metrics`.

    Args:
        output: address of the tables: a folder or `s3://bucket/prefix`.
        labels: CSV of true run lengths; `"reviews"` for the table `reviews`.
        pictures: CSV `ImageId,label` that lists the pictures with known truth; None to look for it
            beside `labels`.
        groups: CSV `ImageId,group` of pictures that belong together, for the intervals; None to
            look for `groups.csv` beside `labels`.
        bundle: digest of a bundle, or the digest's first characters; None for the bundle of the
            latest scoring run.
        spark: session to use, as for `score`.
        settings: settings: `ScoreSettings`, a mapping, or the path of a YAML file.

    Raises:
        TableError: there are no tables, or no rows of this bundle.
        DataError: the labels cannot be read, or name no scored picture.
        SteelDefectError: the evaluation failed for another reason; the message says what to do.

    Example:
        >>> import steeldefect
        >>> result = steeldefect.evaluate("demo/output", "demo/plant/train.csv")
        >>> 0 <= result.value("positives_dice") <= 1
        True
        >>> list(result.metrics().columns)
        ['scope', 'class_id', 'name', 'value', 'support', 'size_class', 'low', 'high']
    """
    request = EvaluationRequest(
        str(output),
        str(labels),
        None if pictures is None else str(pictures),
        bundle,
        settings_from(settings),
        None if groups is None else str(groups),
    )
    session = callers_session(spark)
    recover_waves(request)
    evaluation = Evaluation(request)
    with session_for("steeldefect evaluate", session) as opened:
        counts = evaluation.count(opened)
    scores = evaluation.scores(counts)
    evaluation.publish(counts, scores)
    return EvaluationResult(
        run_id=evaluation.run_id,
        bundle=evaluation.bundle,
        pictures=len(evaluation.scored.images),
        scores=tuple(scores),
        report=evaluation.report(scores),
    )
