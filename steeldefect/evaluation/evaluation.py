"""Compare the predictions of a bundle with the truth; `jobs/evaluate.py` calls the steps in order.

Spark counts pixels and defects, from run lengths alone: one row of `confusions` for each class of
each picture whose true masks are known. Metrics of masks and defects are sums over these rows. Gate
metrics are counts over `images`. The driver holds the names and counts of all pictures, but never
all their masks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from sklearn.metrics import classification_report, confusion_matrix

from steeldefect.analysis.sql import choose_bundle, limit_memory, opened_database
from steeldefect.errors import SettingsError, TableError
from steeldefect.evaluation import metrics
from steeldefect.evaluation.confusions import (
    COUNT_COLUMNS,
    COUNT_SCHEMA,
    FOUND_PROBLEM,
    PairCounter,
)
from steeldefect.evaluation.defect_table import DEFECT_METRICS, defect_table
from steeldefect.evaluation.pair_counts import PairCounts, join_counted
from steeldefect.evaluation.pairing import DrawnPairs
from steeldefect.evaluation.score_table import score_table
from steeldefect.evaluation.scores import evaluation_scores, size_classes
from steeldefect.evaluation.truth import match, read_predictions
from steeldefect.evaluation.truth_checks import refuse_problems
from steeldefect.evaluation.truth_files import read_groups, read_truth
from steeldefect.evaluation.truth_reviews import REVIEWS, read_reviews
from steeldefect.program import progress
from steeldefect.publish import lease
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.foreign_tables import require_own_tables
from steeldefect.publish.runs import Outcome, RunRecord, new_run_id, record_run
from steeldefect.publish.wave_records import pending_records
from steeldefect.settings import ScoreSettings
from steeldefect.spark.session import explain_failure
from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import Origin, whole_rows, with_provenance
from steeldefect.tables.schema import TableName, Verdict


@dataclass(frozen=True)
class EvaluationRequest:
    """The inputs of an evaluation.

    Attributes:
        output_uri: address of the tables.
        labels_uri: address of the CSV with the true masks; `reviews` for the table `reviews`.
        pictures_uri: address of the CSV `ImageId,label` that lists the pictures with known truth;
            None to look for it beside the masks file.
        bundle: digest of a bundle, or the digest's first characters; None for the bundle of the
            latest scoring run.
        settings: settings of the evaluation.
        groups_uri: address of the CSV `ImageId,group` of pictures that belong together, such as
            those of one coil: the bootstrap draws whole groups; None to look for `groups.csv`
            beside the masks file.
    """

    output_uri: str
    labels_uri: str
    pictures_uri: str | None
    bundle: str | None
    settings: ScoreSettings
    groups_uri: str | None = None


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
        truth: the true masks.
        scored: the scored pictures with known truth.
    """

    def __init__(self, request: EvaluationRequest) -> None:
        """Read the tables and the truth.

        Raises:
            TableError: no tables, or no such bundle.
            DataError: the truth cannot be read, or names no scored picture.
        """
        by_people = request.labels_uri == REVIEWS
        if by_people and request.pictures_uri is not None:
            raise SettingsError(
                "--pictures does not go with --labels reviews: the reviews say which pictures count"
            )
        self._request = request
        self._began = datetime.now(UTC)
        self._store = open_store(request.output_uri, request.settings.s3)
        self._tables = Tables(self._store)
        self.run_id = new_run_id(self._began)
        with TemporaryDirectory() as folder, opened_database(self._store) as connection:
            limit_memory(connection, folder)
            self.bundle = choose_bundle(connection, request.bundle)
            predictions = read_predictions(connection, self.bundle)
            if by_people:
                truth = read_reviews(connection, self._store, self.bundle)
                if request.groups_uri is not None:
                    named = read_groups(self._store, request.groups_uri, request.settings.s3)
                    truth = replace(truth, groups_source=named[0], groups=named[1])
        if not by_people:  # the database is closed: it takes much memory
            truth = read_truth(
                request.labels_uri, request.pictures_uri, request.settings.s3, request.groups_uri
            )
        self.scored = match(predictions, truth)
        self.truth = truth.without_names()

    def count(self, session: SparkSession) -> PairCounts:
        """Compare the pairs of true and found masks on Spark, some thousand at a time.

        Raises:
            DataError: true run lengths reach outside their picture.
        """
        settings = self._request.settings.evaluation
        counter = PairCounter(settings.iou, settings.size_bounds)
        images = self.scored.images[self.scored.images["outlined"]]
        with opened_database(self._store) as connection:
            pairs = DrawnPairs(connection, self.scored, self.truth)
            tables = [one.drop_columns("problem") for one in self._counted(session, counter, pairs)]
        return join_counted(tables, images, self.scored.classes, len(settings.size_bounds) + 1)

    def scores(self, counts: PairCounts) -> list[metrics.IntervalScore]:
        """Compute all metrics."""
        settings = self._request.settings.evaluation
        sizes = size_classes(settings.size_bounds)
        units = self._units()
        return evaluation_scores(counts, self.scored.images, units, sizes, settings.resamples)

    def publish(self, counts: PairCounts, scores: Sequence[metrics.IntervalScore]) -> None:
        """Write `confusions`, `metrics` and `runs`.

        The confusions replace those of an earlier evaluation of this bundle with the same label
        file.
        """
        settings = self._request.settings
        labels = self.truth.source
        numbers = [
            score.model_dump()
            | {"class_name": counts.classes.get(score.class_id or 0), "labels": labels}
            for score in scores
        ]
        wait_seconds = settings.lock_wait_seconds
        with lease.hold(self._store, self.run_id, wait_seconds) as held:
            origin = Origin(self.run_id, self.bundle, self._began, held.number)
            held.check()
            self._tables.replace(
                TableName.CONFUSIONS,
                lambda: (
                    with_provenance(TableName.CONFUSIONS, _labelled(rows, labels), origin)
                    for rows in counts.rows()
                ),
                {"bundle": self.bundle, "labels": labels},
            )
            held.check()
            self._tables.append(TableName.METRICS, whole_rows(TableName.METRICS, numbers, origin))
            seconds = (datetime.now(UTC) - self._began).total_seconds()
            record = RunRecord(
                "evaluate",
                labels,
                Outcome.SUCCESS,
                seconds,
                settings.model_dump_json(),
                planned=len(self.scored.images),
            )
            record_run(self._tables, origin, record)

    def report(self, scores: Sequence[metrics.IntervalScore]) -> str:
        """Return a report for people: pictures compared, notes on the truth, and the metrics."""
        settings = self._request.settings.evaluation
        ids = {one.class_id for one in scores if one.class_id is not None}
        classes = {one: f"class_{one}" for one in ids} | self.scored.classes
        lines = [
            f"bundle {self.bundle[:12]} against {self.truth.source}",
            f"{len(self.scored.images)} pictures compared; {self.scored.uncovered} scored "
            f"pictures have no truth; {len(self.scored.unscored)} pictures with truth were not "
            "scored",
            *self.scored.notes,
            f"convention: {metrics.CONVENTION}",
            "",
            *score_table(classes, [one for one in scores if one.name not in DEFECT_METRICS]),
            "",
            f"by defect, matched by IoU of at least {settings.iou:g}"
            + (" (95% interval):" if settings.resamples else ":"),
            *defect_table(classes, scores),
        ]
        if self.scored.images["gate_probability"].notna().all():
            lines += ["", "gate, by picture:", self._gate_report()]
        return "\n".join(lines)

    def _counted(
        self, session: SparkSession, counter: PairCounter, pairs: DrawnPairs
    ) -> Iterator[pa.Table]:
        """Yield the counts of some pairs at a time, and show progress."""
        done = 0
        with progress.shown(pairs.count, lambda: done, lambda: 0, None, "comparing", "masks"):
            for some in pairs.tables():
                counted = _count_on_spark(session, counter, some)
                self._refuse_problems(counted, pairs.true_rows)
                done += counted.num_rows
                yield counted

    def _refuse_problems(self, counted: pa.Table, true_rows: pd.DataFrame) -> None:
        wrong = counted.filter(pc.not_equal(counted["problem"], "")).to_pandas()
        if len(wrong):
            damaged = wrong[wrong["problem"].str.startswith(FOUND_PROBLEM)]
            for one in damaged.itertuples(index=False):
                key = self.scored.images["key"].loc[one.picture]
                detail = str(one.problem).removeprefix(FOUND_PROBLEM)
                raise TableError(
                    f"table predictions at {self._store.uri}: picture {key}, class {one.class_id}: "
                    f"{detail}; score the picture again"
                )
            names = self.scored.images["name"].loc[wrong["picture"]].to_numpy()
            refuse_problems(wrong.assign(name=names), true_rows, self.truth.source)

    def _units(self) -> npt.NDArray[np.int64]:
        """Return the unit of each picture for the bootstrap: its group, or itself."""
        codes, names = pd.factorize(self.scored.images["group"])
        alone = np.isin(codes, np.flatnonzero(np.asarray(names) == ""))
        codes[alone] = len(names) + np.arange(int(alone.sum()))
        return np.asarray(np.unique(codes, return_inverse=True)[1], np.int64)

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


def _count_on_spark(session: SparkSession, counter: PairCounter, pairs: pa.Table) -> pa.Table:
    cores = session.sparkContext.defaultParallelism
    try:
        shared = session.createDataFrame(pairs).repartition(2 * cores)
        return shared.mapInArrow(counter.count, COUNT_COLUMNS).toArrow().cast(COUNT_SCHEMA)
    except (PySparkException, Py4JError) as error:
        raise explain_failure(error) from error


def _labelled(rows: pa.Table, labels: str) -> pa.Table:
    return rows.append_column("labels", pa.repeat(labels, rows.num_rows))
