"""Use the Spark session of a caller, such as a notebook; it stays open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from steeldefect.errors import SettingsError
from steeldefect.spark.session import explained_errors, opened_session


@contextmanager
def session_for(name: str, given: SparkSession | None) -> Iterator[SparkSession]:
    """Yield the caller's session, which stays open, or else the session of `opened_session`.

    Raises:
        SettingsError, WaveError: see `opened_session`.
    """
    if given is None:
        with opened_session(name) as session:
            yield session
        return
    with explained_errors():
        yield given


def callers_session(given: SparkSession | None) -> SparkSession | None:
    """Return the caller's session, or the session open in this process, or None.

    Raises:
        SettingsError: see `require_usable`.
    """
    session = given
    if session is None:
        with suppress(PySparkException):  # no session is open
            session = SparkSession.active()
    if session is not None:
        require_usable(session)
    return session


def require_usable(session: SparkSession) -> None:
    """Raise an error for a session that has ended, or of Spark Connect, which has no broadcasts.

    Raises:
        SettingsError: the session has ended, or belongs to Spark Connect.
    """
    if not hasattr(session, "sparkContext"):
        raise SettingsError(
            "this session is one of Spark Connect, which cannot ship models to executors; run on a "
            "cluster with classic access (on Databricks: access mode Dedicated)"
        )
    try:
        _ = session.sparkContext.defaultParallelism
    except (AttributeError, Py4JError):  # a stopped context has lost its JVM's part
        raise SettingsError(
            "this Spark session has ended (session.stop()); open another one and pass it, or pass "
            "none"
        ) from None
