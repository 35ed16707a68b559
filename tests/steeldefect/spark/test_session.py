"""This project's errors for errors of Spark, and the number of concurrent tasks."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace

import pytest

from steeldefect.errors import (
    BundleError,
    DataError,
    DeviceError,
    SettingsError,
    SteelDefectError,
    StoreError,
    StoreUnavailableError,
    WaveError,
)
from steeldefect.spark import jvm
from steeldefect.spark.session import explain_failure, tasks_at_once

IN_A_WORKER = """Job aborted due to stage failure: Task 0 in stage 1.0 failed 4 times, most recent \
failure: Lost task 0.3 in stage 1.0 (TID 7): org.apache.spark.api.python.PythonException: \
Traceback (most recent call last):
  File "worker.py", line 1234, in main
    process()
{cause}

\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handlePythonException
Driver stacktrace:
"""


@pytest.mark.parametrize(
    ("cause", "kind", "message"),
    [
        (
            "steeldefect.errors.DeviceError: device=gpu, but TensorFlow sees no GPU",
            DeviceError,
            "device=gpu, but TensorFlow sees no GPU",
        ),
        (
            "steeldefect.errors.StoreUnavailableError: s3://b/k: no answer",
            StoreUnavailableError,
            "s3://b/k: no answer",
        ),
        (
            "steeldefect.errors.BundleError: first\n\nDuring handling another occurred\n"
            "steeldefect.errors.DeviceError: second",
            DeviceError,
            "second",
        ),
        (
            "steeldefect.errors.RunLengthError: malformed run lengths: run 3: odd",
            DataError,
            "malformed run lengths: run 3: odd",
        ),
        (
            "steeldefect.errors.BundleError: real\nsteeldefect.errors.Unheard: other",
            BundleError,
            "real",
        ),
    ],
)
def test_an_error_of_ours_is_found_in_what_spark_reports(
    cause: str, kind: type[SteelDefectError], message: str
) -> None:
    error = explain_failure(RuntimeError(IN_A_WORKER.format(cause=cause)))
    assert type(error) is kind
    assert str(error) == message


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (IN_A_WORKER.format(cause="MemoryError"), "MemoryError"),
        (IN_A_WORKER.format(cause="MemoryError: no memory"), "MemoryError: no memory"),
        (
            IN_A_WORKER.format(
                cause='  File "x.py", line 3, in f\n    raise ValueError("inner")\n'
                "ValueError: inner\n\nDuring handling of the above exception, another exception "
                "occurred:\n\nopenvino.OpenVINOError: outer"
            ),
            "openvino.OpenVINOError: outer",
        ),
        (
            "An error occurred while calling o1.collect.\n: java.lang.OutOfMemoryError: Java heap",
            "java.lang.OutOfMemoryError: Java heap",
        ),
        (
            "Job aborted due to stage failure: ExecutorLostFailure (executor 1 exited)\n\tat a.b",
            "Job aborted due to stage failure: ExecutorLostFailure (executor 1 exited)",
        ),
        ("", "unknown"),
    ],
)
def test_any_other_error_is_a_wave_that_spark_gave_up(text: str, cause: str) -> None:
    error = explain_failure(RuntimeError(text))
    assert type(error) is WaveError
    assert str(error) == (
        f"Spark gave up on a wave: {cause}; nothing of it was published; start again; if it "
        "happens again, see the executors' logs"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "Lost task 0.3 in stage 0.0 (TID 6) (a host): java.io.IOException: Cannot "
            'run program "/nowhere": error=2, No such file or directory\n\tat java.lang.Process',
            'Cannot run program "/nowhere": error=2, No such file or directory',
        ),
        (
            "org.apache.spark.SparkException: EOFException occurred while reading the port number "
            "from pyspark.daemon's stdout.\n\tat a.b",
            "EOFException occurred while reading the port number from pyspark.daemon's stdout.",
        ),
        (
            IN_A_WORKER.format(cause="ModuleNotFoundError: No module named 'pyarrow'"),
            "No module named 'pyarrow'",
        ),
    ],
)
def test_a_python_that_cannot_run_tasks_is_a_setting(text: str, found: str) -> None:
    error = explain_failure(RuntimeError(text))
    assert type(error) is SettingsError
    assert str(error).startswith(f"an executor cannot run Python: {found}; set PYSPARK_PYTHON (or ")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(IN_A_WORKER.format(cause="OSError: [Errno 28] No space left on device")),
        RuntimeError("java.io.IOException: No space left on device\n\tat java.io.FileOutput"),
        OSError(28, "No space left on device"),
        OSError(122, "Disk quota exceeded"),
    ],
)
def test_a_full_disk_is_named(error: Exception) -> None:
    explained = explain_failure(error)
    assert type(explained) is StoreError
    assert str(explained).startswith("the disk for temporary files is full, or cannot be written ")
    assert "SPARK_LOCAL_DIRS" in str(explained)


def test_a_long_report_is_cut() -> None:
    assert len(str(explain_failure(RuntimeError("Error " * 10_000)))) < 1_000


@pytest.mark.parametrize(
    ("cores", "conf", "at_once"),
    [
        (2, {}, 2),
        (0, {}, 1),
        (8, {"spark.task.cpus": "2"}, 4),
        (8, {"spark.task.cpus": "16"}, 1),
        (16, {"spark.executor.cores": "4"}, 16),
        (16, {"spark.executor.cores": "4", "spark.task.cpus": "3"}, 4),
        # two executors of 8 cores, a GPU each: two tasks share it
        (
            16,
            {
                "spark.executor.cores": "8",
                "spark.executor.resource.gpu.amount": "1",
                "spark.task.resource.gpu.amount": "0.5",
            },
            4,
        ),
        # GPUs for more tasks than there are cores
        (
            8,
            {
                "spark.executor.cores": "4",
                "spark.executor.resource.gpu.amount": "4",
                "spark.task.resource.gpu.amount": "0.1",
            },
            8,
        ),
        (3, {"spark.executor.cores": "4"}, 4),  # none has come yet
        (2, {"spark.master": "local[*]", "spark.executor.cores": "4"}, 2),
    ],
)
def test_tasks_at_once(cores: int, conf: dict[str, str], at_once: int) -> None:
    context = SimpleNamespace(getConf=lambda: conf, defaultParallelism=cores)
    assert tasks_at_once(context) == at_once  # type: ignore[arg-type]


def test_a_spark_submit_that_is_just_ending_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    parents = iter([os.getppid()] * 3)  # its sockets close before its children get a new parent
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    monkeypatch.setattr(jvm.os, "getppid", lambda: next(parents, 1))
    error = explain_failure(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))
    assert type(error) is WaveError
    assert str(error).startswith("Spark's JVM ended (with spark-submit); ")
