"""Starts Spark, or joins the session that `spark-submit` prepared."""

from __future__ import annotations

import os
import re
import sys

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from steeldefect.errors import SettingsError, WaveError
from steeldefect.secrets import SPARK_REDACTION

_LOCAL = re.compile(r"local(?:\[([^,\]]+)\])?")
_LOCAL_TRIES = 4  # what Spark grants on a cluster; plain local mode gives up at the first failure
_OUR_ERROR = re.compile(r"steeldefect\.errors\.(\w+): ([^\n]+)")
# the last line of a traceback
_ANY_ERROR = re.compile(r"^(?:: )?([\w.]*(?:Error|Exception)(?:: .*)?)$", re.MULTILINE)


_JAVA = ("spark.driver.defaultJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
"""For a JVM that passes keys and reports on: compiled lightly, it starts several seconds earlier.

`spark.driver.extraJavaOptions` come after these, and have the last word.
"""


def open_session(name: str) -> SparkSession:
    """Open a Spark session with the settings of `spark-submit` and `spark-defaults.conf`.

    Without any, it is a local one on all cores, and its workers run this very Python.

    Raises:
        SettingsError: Spark does not start: no Java, an unreachable master, or wrong settings.
    """
    try:
        return _open_session(name)
    except (PySparkException, Py4JError) as error:
        reason = " ".join(str(error).split())[:300]
        raise SettingsError(
            f"Spark does not start: {reason}; it needs Java 17 or newer (`make java`), and a "
            "master that can be reached"
        ) from None


def _open_session(name: str) -> SparkSession:
    # starts the JVM, or joins that of spark-submit: before, a SparkConf knows nothing of either
    SparkContext._ensure_initialized(conf=SparkConf(loadDefaults=False).set(*_JAVA))
    conf = SparkConf()
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
    session = builder.master(master).getOrCreate()
    # a local executor's errors come back with the wave's, in words; on a cluster they are logged
    level = "FATAL" if local else "ERROR"
    session.sparkContext.setLogLevel(conf.get("spark.log.level", None) or level)
    return session


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


def explain_failure(error: Exception) -> WaveError | Exception:
    """Find the error of this project inside what Spark reports, or the last line of the cause."""
    from steeldefect import errors

    text = str(error)
    for name, message in reversed(_OUR_ERROR.findall(text)):
        kind = getattr(errors, name, None)
        if kind is errors.RunLengthError:
            return errors.DataError(message)  # the other one words its message itself
        if isinstance(kind, type) and issubclass(kind, errors.SteelDefectError):
            return WaveError(f"{name}: {message.strip()}") if kind is WaveError else kind(message)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["unknown"]
    cause = (_ANY_ERROR.findall(text) or lines[:1])[-1]
    return WaveError(
        f"Spark gave up on a wave: {cause[:500]}; nothing of it was published; start again, and "
        "see the executors' logs if it stays"
    )
