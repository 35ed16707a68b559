"""Start Spark, or join the session of `spark-submit`; explain Spark's errors."""

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
    address_problem,
    cause_of,
    find_problem,
    folders_problem,
    submit_arguments_problem,
)

_LOCAL = re.compile(r"local(?:\[([^,\]]+)\])?")
_LOCAL_TRIES = 4  # Spark's default on clusters; its plain local mode has one try only
# last line of a traceback
_ANY_ERROR = re.compile(r"^(?:: )?([\w.]*(?:Error|Exception)(?:: .*)?)$", re.MULTILINE)


_NO_PYTHON = re.compile(
    r"Cannot run program \"[^\"]*\": [^\n]+|No module named '[^']+'|PYTHON_VERSION_MISMATCH[^\n]+"
    r"|EOFException occurred while reading the port number[^\n]+"
)
_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded|Read-only file system")
_NO_ROOM_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

_JAVA = ("spark.driver.defaultJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
"""Java options for the driver: less compilation, so that the JVM starts several seconds earlier.

The JVM only forwards keys and reports. `spark.driver.extraJavaOptions` override these options.
"""


@contextmanager
def opened_session(name: str) -> Iterator[SparkSession]:
    """Open a session as `open_session` does, and stop it when the block ends.

    Raises:
        SettingsError: Spark does not start.
        WaveError: an error of Spark ended the block, for example because its JVM was killed. If an
            error of this project is the cause, that error is raised instead.
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

    Without such settings, the session is local, uses all cores, and its workers run this Python.

    Raises:
        SettingsError: Spark does not start: no Java, an unreachable master, or wrong settings.
        WaveError: Spark's JVM was killed.
    """
    try:
        session = _open_session(name)
    except (PySparkException, Py4JError, OSError, EOFError) as error:
        raise _explain_start(error) from None
    jvm.pass_output_on()
    return session


def follow_signals() -> None:
    """Make `spark-submit` forward interrupting signals to this process, before Spark is needed.

    Without `spark-submit` this does nothing: `open_session` does it for the JVM that it starts.

    Raises:
        WaveError: `spark-submit` has ended already.
    """
    if jvm.started_here():
        return
    try:
        jvm.start(_first_conf())
    except (PySparkException, Py4JError, OSError, EOFError):
        raise WaveError(f"{_jvm_ended('with spark-submit')} before the job began") from None
    jvm.forward_signals()


def _explain_start(error: Exception) -> SteelDefectError:
    output, ended = jvm.output(), jvm.how_it_ended()
    if ended is not None and ended.startswith("killed"):
        return WaveError(f"{_jvm_ended(ended)} while Spark started; start again")
    if problem := find_problem(f"{output}\n{error}"):
        return SettingsError(f"Spark does not start: {problem}")
    if ended is not None and not output:
        return WaveError(f"{_jvm_ended(ended)} while Spark started; see its messages above")
    cause = cause_of(error, output)
    if cause is None:  # the JVM's output is then the only hint for the reader
        jvm.pass_output_on()
        cause = " ".join(str(error).split())[:300] or type(error).__name__
    return SettingsError(
        f"Spark does not start: {cause}; check its settings: PYSPARK_SUBMIT_ARGS, the options of "
        "spark-submit, spark-defaults.conf"
    )


def _open_session(name: str) -> SparkSession:
    if jvm.started_here() and (problem := submit_arguments_problem()):
        raise SettingsError(f"Spark does not start: {problem}")
    # a SparkConf has the settings only after the JVM has started
    jvm.start(_first_conf())
    jvm.forward_signals()
    conf = SparkConf()
    shows_page = conf.get("spark.ui.enabled", None) != "false"
    if problem := (shows_page and address_problem()) or folders_problem():
        raise SettingsError(f"Spark does not start: {problem}")
    master = conf.get("spark.master", None) or "local[*]"
    builder = SparkSession.builder.appName(name).config("spark.ui.showConsoleProgress", "false")
    if local := _LOCAL.fullmatch(master):
        master = f"local[{local[1] or 1},{_LOCAL_TRIES}]"
        # no other host has to reach a local session
        builder = builder.config("spark.driver.bindAddress", "127.0.0.1")
        builder = builder.config("spark.driver.host", "127.0.0.1")
        if conf.get("spark.pyspark.python", None) is None:
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if conf.get("spark.redaction.regex", None) is None:
        builder = builder.config("spark.redaction.regex", SPARK_REDACTION)
    with _own_interrupt_kept():
        session = builder.master(master).getOrCreate()
    _keep_quiet(session.sparkContext)
    # errors of a local executor are part of the wave's error; those of a cluster must be logged
    level = "FATAL" if local else "ERROR"
    session.sparkContext.setLogLevel(conf.get("spark.log.level", None) or level)
    return session


def _first_conf() -> SparkConf:
    return SparkConf(loadDefaults=False).set(*_JAVA)


@contextmanager
def _own_interrupt_kept() -> Iterator[None]:
    """Restore the handler of SIGINT when the block ends: PySpark's handler needs a living JVM."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _keep_quiet(context: SparkContext) -> None:
    """Stop PySpark from printing the traceback of an error that it also raises."""
    server = getattr(context, "_accumulatorServer", None)
    if server is not None:  # its connection breaks when the JVM ends
        server.handle_error = lambda request, client_address: None
    broadcast.print_exec = lambda stream: None


def _stop(session: SparkSession) -> None:
    """Stop Spark. If it is gone already, another error has said why."""
    with warnings.catch_warnings(), suppress(PySparkException, Py4JError, OSError, EOFError):
        warnings.simplefilter("ignore", RuntimeWarning)
        session.stop()


def tasks_at_once(context: SparkContext) -> int:
    """Compute how many tasks the present executors can run at the same time; at least 1.

    The tasks of an executor are limited by its cores (`spark.task.cpus`) and by its GPUs
    (`spark.task.resource.gpu.amount`), as in Spark itself.
    """
    conf, cores = context.getConf(), max(1, context.defaultParallelism)
    cpus = int(conf.get("spark.task.cpus", "1") or 1)
    local = conf.get("spark.master", "").startswith("local")  # Spark has one executor then
    each = cores if local else int(conf.get("spark.executor.cores", "0") or 0) or cores
    gpus = float(conf.get("spark.executor.resource.gpu.amount", "0") or 0)
    share = float(conf.get("spark.task.resource.gpu.amount", "0") or 0)
    tasks_each = max(1, each // cpus)
    if gpus and share:
        tasks_each = min(tasks_each, max(1, int(gpus / share)))
    executors = max(1, int(cores) // each)
    return executors * tasks_each


def explain_failure(error: Exception) -> SteelDefectError:
    """Return this project's error for an error of Spark.

    It is the error of this project that Spark's text contains, if there is one. Otherwise the
    message has the last line of the cause.
    """
    if _is_silence(error) and (ended := jvm.how_it_ended()):
        return WaveError(
            f"{_jvm_ended(ended)}; nothing that was in flight was published; start again; if it "
            "happens again, check whether memory ran out (kernel log, spark.driver.memory)"
        )
    text = str(error)
    if (ours := error_from_text(text)) is not None:
        return ours
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["unknown"]
    cause = (_ANY_ERROR.findall(text) or lines[:1])[-1][:500]
    return _of_the_host(error, text, cause) or WaveError(
        f"Spark gave up on a wave: {cause}; nothing of it was published; start again; if it "
        "happens again, see the executors' logs"
    )


def _of_the_host(error: Exception, text: str, cause: str) -> SteelDefectError | None:
    """Return the error for a host without a usable Python or without disk space; else None."""
    if found := _NO_PYTHON.search(text):
        return SettingsError(
            f"an executor cannot run Python: {found[0]}; set PYSPARK_PYTHON (or "
            "spark.pyspark.python) to a Python that every host has, with the packages of scoring"
        )
    if _NO_ROOM.search(text) or getattr(error, "errno", None) in _NO_ROOM_CODES:
        return StoreError(
            f"the disk for temporary files is full, or cannot be written to: {cause}; free space "
            "in TMPDIR and SPARK_LOCAL_DIRS (/tmp if they are not set) and start again"
        )
    return None


def _is_silence(error: Exception) -> bool:
    """Return whether an error means that the JVM does not answer, not that it reports an error."""
    if isinstance(error, OSError):
        return error.errno not in _NO_ROOM_CODES
    silent = isinstance(error, Py4JError) and not isinstance(error, Py4JJavaError)
    return silent or isinstance(error, EOFError)


def _jvm_ended(how: str) -> str:
    return f"Spark's JVM ended ({how})"
