"""Start Spark's JVM, keep its output, find out how it ended, and forward its signals."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections import deque
from subprocess import Popen, TimeoutExpired
from typing import Any

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext, java_gateway

from steeldefect.program import interruption

_KEPT_LINES = 500
_END_SECONDS = 3.0  # longest time between the end of the JVM's socket and of its process
_PARENT = os.getppid()
_SUBMIT = "PYSPARK_GATEWAY_PORT"  # set by spark-submit, and by the launchers of clusters
_SUBMIT_CLASS = "org.apache.spark.deploy.SparkSubmit"


class _Output:
    """The output of a JVM: kept at first, later passed to standard error line by line."""

    def __init__(self) -> None:
        """Open a pipe for the JVM, and start to read from it."""
        reading, self.writing = os.pipe()
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._passing = False
        self._lock = threading.Lock()
        self._reader = threading.Thread(
            target=self._read, args=(reading,), name="jvm-output", daemon=True
        )
        self._reader.start()

    def text(self, wait: float) -> str:
        """Return the kept lines, after the JVM has ended or after `wait` seconds."""
        self._reader.join(wait)
        with self._lock:
            return "".join(self._lines)

    def pass_on(self) -> None:
        """Write the kept lines and all later ones to standard error."""
        with self._lock:
            self._passing = True
            for line in self._lines:
                _show(line)
            self._lines.clear()

    def _read(self, reading: int) -> None:
        with open(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                with self._lock:
                    if self._passing:
                        _show(line)
                    else:
                        self._lines.append(line)


class _Started:
    """The JVM that this process started; None: there is none, or another process started it."""

    output: _Output | None = None
    process: Popen[bytes] | None = None


class _NotedPopen(Popen[bytes]):
    """A process that stays known to this module if PySpark gives up waiting for its start."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _Started.process = self


def start(conf: SparkConf) -> None:
    """Start the JVM, or join that of `spark-submit`; a second call does nothing.

    The output of a JVM that this function starts is kept until `pass_output_on`.

    Raises:
        PySparkException: the JVM ended at once; `output` returns what it wrote.
        OSError: the JVM cannot be started, or does not answer.
    """
    if SparkContext._gateway is not None or _SUBMIT in os.environ:
        SparkContext._ensure_initialized(conf=conf)
        return
    _Started.output = _Output()
    try:
        gateway = _launch(conf, _Started.output.writing)
    except BaseException:  # a JVM that PySpark no longer waits for does not end by itself
        if _Started.process is not None:
            _Started.process.kill()
        raise
    finally:
        os.close(_Started.output.writing)
    SparkContext._ensure_initialized(gateway=gateway)


def _launch(conf: SparkConf, pipe: int) -> object:
    java_gateway.Popen = _NotedPopen
    try:
        return java_gateway.launch_gateway(conf, {"stdout": pipe, "stderr": pipe})
    finally:
        java_gateway.Popen = Popen


def output() -> str:
    """Return what the JVM has written so far, unless it was passed on."""
    return "" if _Started.output is None else _Started.output.text(wait=1.0)


def pass_output_on() -> None:
    """Write the output of the JVM to standard error, from its first line on."""
    if _Started.output is not None:
        _Started.output.pass_on()


def started_here() -> bool:
    """Return whether this process starts the JVM itself, without `spark-submit`."""
    return _SUBMIT not in os.environ


def how_it_ended() -> str | None:
    """Return how the JVM ended, after a short wait for its end; None: it runs, or never ran."""
    if _SUBMIT in os.environ:
        return "with spark-submit" if _parent_ends() else None
    if _Started.process is None:
        return None
    try:
        code = _Started.process.wait(_END_SECONDS)
    except TimeoutExpired:
        return None
    return f"killed by {_signal_name(-code)}" if code < 0 else f"exit code {code}"


def _parent_ends() -> bool:
    """Return whether the parent process ends; its sockets close before its children notice."""
    deadline = time.monotonic() + _END_SECONDS
    while os.getppid() == _PARENT:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def forward_signals() -> None:
    """Make the JVM forward interrupting signals to this process instead of ending.

    By default, the JVM ends at once: the run loses Spark, and `spark-submit`, which is that JVM,
    ends with its own exit code (143) before this process has recorded anything. With this,
    `spark-submit` waits for this process and ends with this process's exit code.

    Only a JVM that serves this process alone is changed: one that this process started, or
    `spark-submit`.
    """
    listened = interruption.listened_to()
    if not listened or SparkContext._jvm is None:
        return
    # without the module java.desktop, py4j takes the missing class for a package: a TypeError
    with contextlib.suppress(Py4JError, OSError, TypeError):
        _forward(SparkContext._jvm, listened)


def _forward(jvm: object, listened: tuple[signal.Signals, ...]) -> None:
    java, sun = jvm.java, jvm.sun  # type: ignore[attr-defined]
    handles = java.lang.ProcessHandle
    its_own = os.getppid() if _Started.process is None else _Started.process.pid
    command = java.lang.System.getProperty("sun.java.command") or ""
    if handles.current().pid() != its_own or not command.startswith(_SUBMIT_CLASS):
        return
    # the one method of Java's SignalHandler becomes `destroy` of this process: it sends SIGTERM
    interface = java.lang.Class.forName("sun.misc.SignalHandler")
    handler = java.beans.EventHandler.create(interface, handles.of(os.getpid()).get(), "destroy")
    for number in listened:
        sun.misc.Signal.handle(sun.misc.Signal(number.name.removeprefix("SIG")), handler)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _show(line: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(line)
            sys.stderr.flush()
