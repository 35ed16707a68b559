"""Watch a scoring run from Python: `watch`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from steeldefect.publish import lease
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.foreign_tables import require_own_tables
from steeldefect.publish.runs import new_run_id
from steeldefect.settings import GivenSettings, settings_from
from steeldefect.spark.callers_session import callers_session, session_for
from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.watch.watch import Watched, publish, watch_run

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def watch(
    output: str | Path,
    *,
    run: str | None = None,
    reference: str | None = None,
    settings: GivenSettings = None,
    spark: SparkSession | None = None,
) -> Watched:
    """Compute audit, drift and repeats of a scoring run, and write them to the tables.

    Args:
        output: address of the tables.
        run: id of the scoring run, or its first characters; None for the newest.
        reference: id of the scoring run that it is compared with; None for that of the setting
            `watch.reference`, or else for the reference of the bundle.
        settings: settings, or the file that holds them.
        spark: session to use; None for the session that is open, or a new one.

    Raises:
        TableError: there is no such run, or the tables cannot be read.
        DataError: the stored reference cannot be read.
        OutputBusyError: another run writes to the output.
        WaveError: Spark failed.
        StoreError: the store refused a request, or does not answer.
    """
    given = settings_from(settings)
    session = callers_session(spark)
    watched = given.watch
    if reference is not None:
        watched = watched.model_copy(update={"reference": reference})
    store = open_store(str(output), given.s3)
    require_own_tables(store)
    with lease.hold(store, new_run_id(datetime.now(UTC)), given.lock_wait_seconds) as held:
        log = WaveLog(Tables(store))
        log.recover(held.number)
        log.require_claim()
        held.check()
        found = watch_run(store, watched, run, lambda: session_for("steeldefect watch", session))
        publish(store, found, held.check)
    return found
