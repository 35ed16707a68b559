"""The JVM beneath Spark: its start, what it says then, whether it still runs, and its signals."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections import deque
from subprocess import Popen, TimeoutExpired
from typing import Any

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext, java_gateway

from steeldefect.program import interruption

_KEPT_LINES = 500
_END_SECONDS = 3.0  # what the end of a process may take to be seen, once its socket is closed
_PARENT = os.getppid()
_SUBMIT = "PYSPARK_GATEWAY_PORT"  # set by spark-submit, and by clusters' own launchers
_SUBMIT_CLASS = "org.apache.spark.deploy.SparkSubmit"


class _Output:
    """What a JVM writes: held back at first, then passed on to standard error line by line."""

    def __init__(self) -> None:
        """Open a pipe for the JVM, and read from it."""
        reading, self.writing = os.pipe()
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._passing = False
        self._lock = threading.Lock()
        self._reader = threading.Thread(
            target=self._read, args=(reading,), name="jvm-output", daemon=True
        )
        self._reader.start()

    def text(self, wait: float) -> str:
        """Give the lines held back, once the JVM has ended, or after so many seconds."""
        self._reader.join(wait)
        with self._lock:
            return "".join(self._lines)

    def pass_on(self) -> None:
        """Show what was held back, and what is still to come."""
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
    """The JVM that this process started; None: there is none, or it is another's."""

    output: _Output | None = None
    process: Popen[bytes] | None = None


class _NotedPopen(Popen[bytes]):
    """A process that is known even where PySpark gives up waiting for it to start."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _Started.process = self


def start(conf: SparkConf) -> None:
    """Start the JVM, or join that of `spark-submit`; a second call does nothing.

    What a JVM of its own writes is held back until `pass_output_on`.

    Raises:
        PySparkException: the JVM ended at once; `said` gives its words.
        OSError: it cannot be started, or does not answer.
    """
    if SparkContext._gateway is not None or _SUBMIT in os.environ:
        SparkContext._ensure_initialized(conf=conf)
        return
    _Started.output = _Output()
    try:
        gateway = _launch(conf, _Started.output.writing)
    except BaseException:  # a JVM that nobody waits for any more does not end by itself
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


def said() -> str:
    """Give what the JVM wrote so far, unless it was passed on."""
    return "" if _Started.output is None else _Started.output.text(wait=1.0)


def pass_output_on() -> None:
    """Show what the JVM writes, from its first line on."""
    if _Started.output is not None:
        _Started.output.pass_on()


def started_here() -> bool:
    """Tell whether the JVM is this process's own to start, not `spark-submit`'s."""
    return _SUBMIT not in os.environ


def how_it_ended() -> str | None:
    """Say how the JVM ended, waiting a moment for its end; None where it runs, or never ran."""
    if _SUBMIT in os.environ:
        return None if os.getppid() == _PARENT else "with spark-submit"
    if _Started.process is None:
        return None
    try:
        code = _Started.process.wait(_END_SECONDS)
    except TimeoutExpired:
        return None
    return f"killed by {_signal_name(-code)}" if code < 0 else f"exit code {code}"


def hand_signals_on() -> None:
    """Make the JVM pass the signals that interrupt a program on to this process, and live on.

    Left to itself, the JVM would end at once: Spark would vanish from under the run, and
    `spark-submit`, which is that JVM, would end with its exit code (143) before this process has
    recorded anything. So it waits for this process, and ends with its exit code.

    Only a JVM that serves this process alone is changed: one that it started, or `spark-submit`.
    """
    listened = interruption.listened_to()
    if not listened or SparkContext._jvm is None:
        return
    # what a Java without the module java.desktop lacks is a package for py4j, and not called
    with contextlib.suppress(Py4JError, OSError, TypeError):
        _hand_on(SparkContext._jvm, listened)


def _hand_on(jvm: object, listened: tuple[signal.Signals, ...]) -> None:
    java, sun = jvm.java, jvm.sun  # type: ignore[attr-defined]
    handles = java.lang.ProcessHandle
    its_own = os.getppid() if _Started.process is None else _Started.process.pid
    command = java.lang.System.getProperty("sun.java.command") or ""
    if handles.current().pid() != its_own or not command.startswith(_SUBMIT_CLASS):
        return
    # Java's SignalHandler has one method, which becomes `destroy` of this process: SIGTERM
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
