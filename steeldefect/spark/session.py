"""Starts Spark, or joins the session that `spark-submit` prepared; words what it reports."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.core import broadcast
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from steeldefect.errors import (
    SettingsError,
    SteelDefectError,
    StoreError,
    WaveError,
    error_from_text,
)
from steeldefect.program.tracebacks import is_of_spark
from steeldefect.secrets import SPARK_REDACTION
from steeldefect.spark import jvm
from steeldefect.spark.start_failures import (
    blame_for,
    cause_of,
    refuse_address,
    refuse_folders,
    refuse_submit_arguments,
)

_LOCAL = re.compile(r"local(?:\[([^,\]]+)\])?")
_LOCAL_TRIES = 4  # what Spark grants on a cluster; plain local mode gives up at the first failure
# the last line of a traceback
_ANY_ERROR = re.compile(r"^(?:: )?([\w.]*(?:Error|Exception)(?:: .*)?)$", re.MULTILINE)


_NO_PYTHON = re.compile(
    r"Cannot run program \"[^\"]*\": [^\n]+|No module named '[^']+'|PYTHON_VERSION_MISMATCH[^\n]+"
    r"|EOFException occurred while reading the port number[^\n]+"
)
_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded|Read-only file system")
_NO_ROOM_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

_JAVA = ("spark.driver.defaultJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
"""For a JVM that passes keys and reports on: compiled lightly, it starts several seconds earlier.

`spark.driver.extraJavaOptions` come after these, and have the last word.
"""


@contextmanager
def opened_session(name: str) -> Iterator[SparkSession]:
    """Open a session as `open_session` does, and stop it when the block ends.

    Raises:
        SettingsError: Spark does not start.
        WaveError: an error of Spark's ended the block, its JVM was killed for one; or the error of
            this project that was the cause.
    """
    session = open_session(name)
    try:
        with explained_errors():
            yield session
    finally:
        _stop(session)


@contextmanager
def explained_errors() -> Iterator[None]:
    """Turn the errors of Spark that end the block into those of this project.

    Raises:
        WaveError: an error of Spark's; or the error of this project that was the cause.
    """
    try:
        yield
    except SteelDefectError:
        raise
    except Exception as error:
        if is_of_spark(error):
            raise explain_failure(error) from error
        raise


def open_session(name: str) -> SparkSession:
    """Open a Spark session with the settings of `spark-submit` and `spark-defaults.conf`.

    Without any, it is a local one on all cores, and its workers run this very Python.

    Raises:
        SettingsError: Spark does not start: no Java, an unreachable master, or wrong settings.
        WaveError: its JVM was killed.
    """
    try:
        session = _open_session(name)
    except (PySparkException, Py4JError, OSError, EOFError) as error:
        raise _explain_start(error) from None
    jvm.pass_output_on()
    return session


def follow_signals() -> None:
    """Take part in the signals that reach `spark-submit`, before Spark itself is needed.

    Without `spark-submit` there is nothing to follow yet; `open_session` sees to it then.

    Raises:
        WaveError: `spark-submit` has ended already.
    """
    if jvm.started_here():
        return
    try:
        jvm.start(_first_conf())
    except (PySparkException, Py4JError, OSError, EOFError):
        raise WaveError(f"{_jvm_ended('with spark-submit')} before the job began") from None
    jvm.hand_signals_on()


def _explain_start(error: Exception) -> SteelDefectError:
    said, ended = jvm.said(), jvm.how_it_ended()
    if ended is not None and ended.startswith("killed"):
        return WaveError(f"{_jvm_ended(ended)} while Spark started; start again")
    if blame := blame_for(f"{said}\n{error}"):
        return SettingsError(f"Spark does not start: {blame}")
    if ended is not None and not said:
        return WaveError(f"{_jvm_ended(ended)} while Spark started; see its own lines above")
    cause = cause_of(error, said)
    if cause is None:  # what the JVM wrote is all there is to go by
        jvm.pass_output_on()
        cause = " ".join(str(error).split())[:300] or type(error).__name__
    return SettingsError(
        f"Spark does not start: {cause}; look at its settings: PYSPARK_SUBMIT_ARGS, the options of "
        "spark-submit, spark-defaults.conf"
    )


def _open_session(name: str) -> SparkSession:
    if jvm.started_here() and (problem := refuse_submit_arguments()):
        raise SettingsError(f"Spark does not start: {problem}")
    # before the JVM is there, a SparkConf knows nothing of the settings
    jvm.start(_first_conf())
    jvm.hand_signals_on()
    conf = SparkConf()
    shows_page = conf.get("spark.ui.enabled", None) != "false"
    if problem := (shows_page and refuse_address()) or refuse_folders():
        raise SettingsError(f"Spark does not start: {problem}")
    master = conf.get("spark.master", None) or "local[*]"
    builder = SparkSession.builder.appName(name).config("spark.ui.showConsoleProgress", "false")
    if local := _LOCAL.fullmatch(master):
        master = f"local[{local[1] or 1},{_LOCAL_TRIES}]"
        # nothing outside this host has to reach a local session
        builder = builder.config("spark.driver.bindAddress", "127.0.0.1")
        builder = builder.config("spark.driver.host", "127.0.0.1")
        if conf.get("spark.pyspark.python", None) is None:
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if conf.get("spark.redaction.regex", None) is None:
        builder = builder.config("spark.redaction.regex", SPARK_REDACTION)
    with _own_interrupt_kept():
        session = builder.master(master).getOrCreate()
    _keep_quiet(session.sparkContext)
    # a local executor's errors come back with the wave's, in words; on a cluster they are logged
    level = "FATAL" if local else "ERROR"
    session.sparkContext.setLogLevel(conf.get("spark.log.level", None) or level)
    return session


def _first_conf() -> SparkConf:
    return SparkConf(loadDefaults=False).set(*_JAVA)


@contextmanager
def _own_interrupt_kept() -> Iterator[None]:
    """Undo what PySpark does to SIGINT: its handler asks a JVM that may be gone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _keep_quiet(context: SparkContext) -> None:
    """Keep PySpark from printing the traceback of an error that it raises as well."""
    server = getattr(context, "_accumulatorServer", None)
    if server is not None:  # receives counters until the JVM ends, by whatever cause
        server.handle_error = lambda request, client_address: None
    broadcast.print_exec = lambda stream: None


def _stop(session: SparkSession) -> None:
    """Stop Spark; where it is gone already, why it is gone has been said."""
    with warnings.catch_warnings(), suppress(PySparkException, Py4JError, OSError, EOFError):
        warnings.simplefilter("ignore", RuntimeWarning)
        session.stop()


def tasks_at_once(context: SparkContext) -> int:
    """Tell how many tasks the executors that there are can run at once; at least one.

    Of an executor with GPUs, its cores and its GPUs both bound that, in Spark's own way:
    `spark.task.cpus`, `spark.task.resource.gpu.amount`.
    """
    conf, cores = context.getConf(), max(1, context.defaultParallelism)
    cpus = int(conf.get("spark.task.cpus", "1") or 1)
    local = conf.get("spark.master", "").startswith("local")  # Spark has one executor then
    each = cores if local else int(conf.get("spark.executor.cores", "0") or 0) or cores
    gpus = float(conf.get("spark.executor.resource.gpu.amount", "0") or 0)
    share = float(conf.get("spark.task.resource.gpu.amount", "0") or 0)
    on_an_executor = max(1, each // cpus)
    if gpus and share:
        on_an_executor = min(on_an_executor, max(1, int(gpus / share)))
    executors = max(1, int(cores) // each)
    return executors * on_an_executor


def explain_failure(error: Exception) -> SteelDefectError:
    """Find the error of this project inside what Spark reports, or the last line of the cause."""
    if _is_silence(error) and (ended := jvm.how_it_ended()):
        return WaveError(
            f"{_jvm_ended(ended)}; nothing that was in flight was published; start again, and if "
            "it stays, look for memory: in the kernel's log, and at spark.driver.memory"
        )
    text = str(error)
    if (ours := error_from_text(text)) is not None:
        return ours
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["unknown"]
    cause = (_ANY_ERROR.findall(text) or lines[:1])[-1][:500]
    return _of_the_host(error, text, cause) or WaveError(
        f"Spark gave up on a wave: {cause}; nothing of it was published; start again, and "
        "see the executors' logs if it stays"
    )


def _of_the_host(error: Exception, text: str, cause: str) -> SteelDefectError | None:
    """Name what a host lacks: a Python that can run the tasks, or room on its disk."""
    if found := _NO_PYTHON.search(text):
        return SettingsError(
            f"an executor cannot run Python: {found[0]}; set PYSPARK_PYTHON (or "
            "spark.pyspark.python) to a Python that is on every host and has what scoring needs"
        )
    if _NO_ROOM.search(text) or getattr(error, "errno", None) in _NO_ROOM_CODES:
        return StoreError(
            f"the disk for temporary files is full, or cannot be written to: {cause}; make room in "
            "TMPDIR and SPARK_LOCAL_DIRS (/tmp where they are not set) and start again"
        )
    return None


def _is_silence(error: Exception) -> bool:
    """Tell the errors of a connection to the JVM from those that the JVM itself reports."""
    if isinstance(error, OSError):
        return error.errno not in _NO_ROOM_CODES
    silent = isinstance(error, Py4JError) and not isinstance(error, Py4JJavaError)
    return silent or isinstance(error, EOFError)


def _jvm_ended(how: str) -> str:
    return f"Spark's JVM ended ({how})"
