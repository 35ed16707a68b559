"""Compare the predictions of a bundle with the truth; `jobs/evaluate.py` calls the steps in order.

Spark counts pixels, from run lengths alone: one row of `confusions` for each picture and class
with truth. Segmentation metrics are sums over these rows. Gate metrics are counts over `images`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from sklearn.metrics import classification_report, confusion_matrix

from steeldefect.analysis import metrics
from steeldefect.analysis.confusions import (
    CONFUSION_SCHEMA,
    PAIR_SCHEMA,
    count_pixels,
    join_counts,
    refuse_problems,
)
from steeldefect.analysis.score_table import score_table
from steeldefect.analysis.sql import choose_bundle, opened_database
from steeldefect.analysis.truth import match, pair_masks, read_predictions, read_truth
from steeldefect.bundle.manifest import Score
from steeldefect.publish import lease
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.foreign_tables import require_own_tables
from steeldefect.publish.runs import Outcome, RunRecord, new_run_id, record_run
from steeldefect.publish.wave_records import pending_records
from steeldefect.settings import ScoreSettings
from steeldefect.spark.session import explain_failure
from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import Origin, whole_frame, whole_rows
from steeldefect.tables.schema import TableName, Verdict


@dataclass(frozen=True)
class EvaluationRequest:
    """The inputs of an evaluation.

    Attributes:
        output_uri: address of the tables.
        labels_uri: address of the CSV with the true masks.
        pictures_uri: address of the CSV `ImageId,label` that lists the pictures with known truth;
            None to look for it beside the masks file.
        bundle: digest of a bundle, or the digest's first characters; None for the bundle of the
            latest scoring run.
        settings: settings of the evaluation.
    """

    output_uri: str
    labels_uri: str
    pictures_uri: str | None
    bundle: str | None
    settings: ScoreSettings


def recover_waves(request: EvaluationRequest) -> None:
    """Complete the waves that a dead run left unfinished, so that their pictures are compared too.

    Raises:
        OutputBusyError: another run holds the output.
        TableError: a wave cannot be completed, or the output holds another program's tables.
        StoreError: the store refused a request, or does not answer.
    """
    store = open_store(request.output_uri, request.settings.s3)
    require_own_tables(store)
    if not pending_records(store):
        return
    run_id = new_run_id(datetime.now(UTC))
    with lease.hold(store, run_id, request.settings.lock_wait_seconds) as held:
        log = WaveLog(Tables(store))
        log.recover(held.number)
        log.require_claim()
        held.check()


class Evaluation:
    """One evaluation. Nothing is written before `publish`.

    Attributes:
        run_id: id of the evaluation's run, as in the table `runs`.
        bundle: digest of the bundle whose findings are compared.
    """

    def __init__(self, request: EvaluationRequest) -> None:
        """Read the tables and the truth.

        Raises:
            TableError: no tables, or no such bundle.
            DataError: the truth cannot be read, or names no scored picture.
        """
        self._request = request
        self._began = datetime.now(UTC)
        self._store = open_store(request.output_uri, request.settings.s3)
        self._tables = Tables(self._store)
        self.run_id = new_run_id(self._began)
        with opened_database(self._store) as connection:
            self.bundle = choose_bundle(connection, request.bundle)
            self.truth = read_truth(request.labels_uri, request.pictures_uri, request.settings.s3)
            self.scored = match(read_predictions(connection, self.bundle), self.truth)

    def count(self, session: SparkSession) -> pd.DataFrame:
        """Count tp, fp, fn, tn on Spark.

        Returns:
            One row for each picture and class.

        Raises:
            DataError: true run lengths are malformed, or reach outside their picture.
        """
        pairs = pair_masks(self.scored, self.truth)
        drawn = pairs[(pairs["truth"] != "") | (pairs["found"] != "")]
        arrow = pa.Table.from_pandas(drawn[PAIR_SCHEMA.names], PAIR_SCHEMA, preserve_index=False)
        cores = session.sparkContext.defaultParallelism
        try:
            shared = session.createDataFrame(arrow).repartition(2 * cores)
            counted = shared.mapInPandas(count_pixels, CONFUSION_SCHEMA).toPandas()
        except (PySparkException, Py4JError) as error:
            raise explain_failure(error) from error
        refuse_problems(pairs, counted)
        return join_counts(pairs.drop(columns=["truth", "found"]), counted)

    def scores(self, confusions: pd.DataFrame) -> list[Score]:
        """Compute all metrics."""
        images = self.scored.images
        defective = images["defective"].to_numpy(dtype=bool)
        found = (images["verdict"] == Verdict.DEFECT.value).to_numpy()
        scores = metrics.segmentation_scores(confusions, list(self.scored.classes))
        if images["gate_probability"].notna().all():
            probability = images["gate_probability"].to_numpy(dtype=np.float64)
            scores += metrics.gate_scores(defective, probability, self._passed())
        return scores + metrics.verdict_scores(defective, found)

    def publish(self, confusions: pd.DataFrame, scores: list[Score]) -> None:
        """Write `confusions`, `metrics` and `runs`.

        The confusions replace those of an earlier evaluation of this bundle with the same label
        file.
        """
        settings = self._request.settings
        names = self.scored.classes
        confusions = confusions.assign(labels=self.truth.source)
        numbers = [
            score.model_dump()
            | {"class_name": names.get(score.class_id or 0), "labels": self.truth.source}
            for score in scores
        ]
        wait_seconds = settings.lock_wait_seconds
        with lease.hold(self._store, self.run_id, wait_seconds) as held:
            origin = Origin(self.run_id, self.bundle, self._began, held.number)
            held.check()
            self._tables.replace(
                TableName.CONFUSIONS,
                whole_frame(TableName.CONFUSIONS, confusions, origin),
                {"bundle": self.bundle, "labels": self.truth.source},
            )
            held.check()
            self._tables.append(TableName.METRICS, whole_rows(TableName.METRICS, numbers, origin))
            seconds = (datetime.now(UTC) - self._began).total_seconds()
            record = RunRecord(
                "evaluate",
                self.truth.source,
                Outcome.SUCCESS,
                seconds,
                settings.model_dump_json(),
                planned=len(self.scored.images),
            )
            record_run(self._tables, origin, record)

    def report(self, scores: list[Score]) -> str:
        """Return a report for people: pictures compared, notes on the truth, and the metrics."""
        lines = [
            f"bundle {self.bundle[:12]} against {self.truth.source}",
            f"{len(self.scored.images)} pictures compared; {self.scored.uncovered} scored "
            f"pictures have no truth; {len(self.scored.unscored)} pictures with truth were not "
            "scored",
            *self.scored.notes,
            f"convention: {metrics.CONVENTION}",
            "",
            *score_table(self.scored.classes, scores),
        ]
        if self.scored.images["gate_probability"].notna().all():
            lines += ["", "gate, by picture:", self._gate_report()]
        return "\n".join(lines)

    def _passed(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return (self.scored.images["verdict"] != Verdict.GATED.value).to_numpy()

    def _gate_report(self) -> str:
        truth = self.scored.images["defective"].to_numpy(dtype=bool)
        passed = self._passed()
        names = ["clean", "defective"]
        counts = pd.DataFrame(
            confusion_matrix(truth, passed, labels=[False, True]),
            index=[f"truly {name}" for name in names],
            columns=["stopped", "passed"],
        )
        report = classification_report(
            truth, passed, labels=[False, True], target_names=names, digits=3, zero_division=0
        )
        return f"{counts.to_string()}\n\n{report}"
