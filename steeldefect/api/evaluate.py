"""The evaluation job as a function."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from steeldefect.analysis.evaluation import Evaluation, EvaluationRequest, recover_waves
from steeldefect.bundle.manifest import Score
from steeldefect.settings import GivenSettings, settings_from
from steeldefect.spark.callers_session import callers_session, session_for

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found. `str()` returns the report that the job prints.

    Attributes:
        run_id: of the evaluation, as in the tables.
        bundle: digest of the bundle whose predictions were compared.
        pictures: that were compared.
        scores: all metrics, each with its value (None if nothing supports it) and its support.
        report: the metrics as text.
    """

    run_id: str
    bundle: str
    pictures: int
    scores: tuple[Score, ...] = field(repr=False)
    report: str = field(repr=False)

    def __str__(self) -> str:
        """Return the report."""
        return self.report

    def value(self, name: str, class_id: int | None = None) -> float | None:
        """Return one metric by its name in the table `metrics`.

        Raises:
            KeyError: there is no such metric.
        """
        for score in self.scores:
            if (score.name, score.class_id) == (name, class_id):
                return score.value
        raise KeyError(name if class_id is None else f"{name} of class {class_id}")

    def metrics(self) -> pd.DataFrame:
        """Return all metrics: scope, class_id, name, value, support."""
        return pd.DataFrame([score.model_dump() for score in self.scores])


def evaluate(
    output: str | Path,
    labels: str | Path,
    *,
    pictures: str | Path | None = None,
    bundle: str | None = None,
    spark: SparkSession | None = None,
    settings: GivenSettings = None,
) -> EvaluationResult:
    """Compare what was predicted with the truth, as `jobs/evaluate.py` does.

    The numbers are written to the tables `confusions` and `metrics`.

    Args:
        output: the tables.
        labels: CSV of true run lengths.
        pictures: CSV `ImageId,label` of the pictures that the labels cover; None: look for it
            beside `labels`.
        bundle: digest or its beginning; None: the bundle of the latest run.
        spark: the session to use, as for `score`.
        settings: `ScoreSettings`, a mapping, or a YAML file.

    Raises:
        TableError: there are no tables, or no rows of such a bundle.
        DataError: the labels cannot be read, or belong to no scored picture.

    Example:
        >>> import steeldefect
        >>> result = steeldefect.evaluate("demo/output", "demo/archive/train.csv")
        >>> 0 <= result.value("positives_dice") <= 1
        True
        >>> list(result.metrics().columns)
        ['scope', 'class_id', 'name', 'value', 'support']
    """
    request = EvaluationRequest(
        str(output),
        str(labels),
        None if pictures is None else str(pictures),
        bundle,
        settings_from(settings),
    )
    session = callers_session(spark)
    recover_waves(request)
    evaluation = Evaluation(request)
    with session_for("steeldefect evaluate", session) as opened:
        confusions = evaluation.count(opened)
    scores = evaluation.scores(confusions)
    evaluation.publish(confusions, scores)
    return EvaluationResult(
        run_id=evaluation.run_id,
        bundle=evaluation.bundle,
        pictures=len(evaluation.scored.images),
        scores=tuple(scores),
        report=evaluation.report(scores),
    )
