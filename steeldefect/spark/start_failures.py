"""Find out why Spark does not start: name the variable, the file or the setting that is wrong.

`find_problem` and `cause_of` are used after a start has failed; the other functions check settings
before a start. Some checks look for a text in Spark's output. Others test the host itself, because
a JVM may end without any output.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

_ENDS_AT_ONCE = {"--help", "-h", "--version", "--usage-error", "--status", "--kill"}
_NEEDED_BYTES = 4096
_CAUSE = re.compile(
    r"^(?:Caused by: |: |Exception in thread \"[^\"]*\" )?"
    r"(?:[a-z]\w*\.)+[A-Z][\w$]*(?:Exception|Error): (?P<words>[^\n]+)",
    re.MULTILINE,
)


def find_problem(text: str) -> str | None:
    """Return why Spark does not start and what to do; None if the cause is not known.

    Args:
        text: output of the JVM, and message of the error that the start raised.
    """
    return next((problem for look in _LOOKS if (problem := look(text))), None)


def cause_of(error: BaseException, output: str) -> str | None:
    """Return the innermost cause that Java names; None if it names none.

    Args:
        error: error that the start raised.
        output: output of the JVM.
    """
    for text in (str(error), output):
        if causes := _CAUSE.findall(text):
            return str(causes[-1])[:300]
    return None


def submit_arguments_problem() -> str | None:
    """Return what is wrong with `PYSPARK_SUBMIT_ARGS`; None if nothing is.

    Call this before the JVM starts: with some wrong values, PySpark waits for ever.
    """
    given = os.environ.get("PYSPARK_SUBMIT_ARGS")
    if given is None:
        return None
    try:
        words = shlex.split(given)
    except ValueError as error:
        return f"PYSPARK_SUBMIT_ARGS={given!r}: {error}; correct it, or unset it"
    options = words[: words.index("pyspark-shell")] if "pyspark-shell" in words else words
    if "pyspark-shell" not in words or _ENDS_AT_ONCE & set(options):
        return (
            f"PYSPARK_SUBMIT_ARGS={given!r} starts no Spark: expected options of spark-submit, "
            'then the word pyspark-shell, such as "--driver-memory 2g pyspark-shell"; correct it, '
            "or unset it"
        )
    return None


def address_problem() -> str | None:
    """Return a message if `SPARK_LOCAL_IP` is no address of this host; None if it is, or is unset.

    Call this before Spark starts. Spark cannot open its web page (`spark.ui.enabled`) on a foreign
    address, which ends the JVM. If the JVM is `spark-submit`, this process could not report why.
    """
    return None if "SPARK_LOCAL_IP" not in os.environ else _host_address_problem("")


def folders_problem() -> str | None:
    """Return a message if no folder of `SPARK_LOCAL_DIRS` can be written to; None if one can.

    Call this before Spark starts, for the same reason as `address_problem`.
    """
    folders = [name for name in os.environ.get("SPARK_LOCAL_DIRS", "").split(",") if name]
    if "CONTAINER_ID" in os.environ:  # on YARN, its own folders are used instead
        return None
    if folders and all(_cannot_write(folder) for folder in folders):
        return _temporary_folder_problem("")
    return None


def _home_problem(text: str) -> str | None:
    del text
    home = os.environ.get("SPARK_HOME")
    if home is None or Path(home, "bin", "spark-submit").is_file():
        return None
    return f"SPARK_HOME={home} holds no Spark (no bin/spark-submit); correct it, or unset it"


def _java_problem(text: str) -> str | None:
    home = os.environ.get("JAVA_HOME")
    where = f"JAVA_HOME={home}" if home else "the java on the PATH"
    install = "Spark needs Java 17 or newer: `make java` installs it, JAVA_HOME names another one"
    if home and shutil.which(str(Path(home, "bin", "java"))) is None:
        return f"JAVA_HOME={home} holds no Java (no bin/java that runs); correct it, or unset it"
    if not home and shutil.which("java") is None:
        return f"there is no java on the PATH, and JAVA_HOME is not set; {install}"
    if "UnsupportedClassVersionError" in text or "Unrecognized option: --add" in text:
        return f"{where} is older than Java 17; {install}"
    if "jdk.incubator.vector not found" in text:
        return f"{where} lacks the module jdk.incubator.vector; use a full JDK or JRE; {install}"
    return None


def _memory_problem(text: str) -> str | None:
    small = re.search(r"Please increase heap size|INVALID_DRIVER_MEMORY", text)
    large = re.search(r"Could not reserve enough space|Invalid maximum heap size", text)
    too_much = re.search(r"insufficient memory|Cannot allocate memory", text)
    if not (small or large or too_much):
        return None
    problem = "is less than Spark needs (450 MiB)" if small else "is more than this host can give"
    return f"spark.driver.memory {problem}; set --driver-memory, 1g for example"


def _host_address_problem(text: str) -> str | None:
    del text
    address = os.environ.get("SPARK_LOCAL_IP")
    if address is not None:
        if _is_ours(address):
            return None
        return f"SPARK_LOCAL_IP={address} is no address of this host; correct it, or unset it"
    name = socket.gethostname()
    if _resolves(name):
        return None
    return (
        f"this host's name, {name}, does not resolve to an address; add it to /etc/hosts, or set "
        "SPARK_LOCAL_IP (127.0.0.1 for a local run)"
    )


def _option_problem(text: str) -> str | None:
    found = re.search(r"Unrecognized option: ?'?([^\s']+)", text)
    given = os.environ.get("PYSPARK_SUBMIT_ARGS")
    if found is None or given is None or found[1] not in given:
        return None
    return f"PYSPARK_SUBMIT_ARGS={given!r}: spark-submit has no option {found[1]}; correct it"


def _user_problem(text: str) -> str | None:
    number = os.getuid()
    try:
        pwd.getpwuid(number)
    except KeyError:
        pass
    else:
        return None
    if not re.search(r"basedir must be absolute|invalid null input|LoginException", text):
        return None
    return (
        f"user id {number} has no entry in /etc/passwd, and Spark needs a user name and a home; "
        "add an entry, or run as another user"
    )


def _temporary_folder_problem(text: str) -> str | None:
    """Check the folders in which Spark and Python keep temporary files."""
    local = os.environ.get("SPARK_LOCAL_DIRS", "")
    folders = {name: "SPARK_LOCAL_DIRS" for name in local.split(",") if name}
    folders |= {"/tmp": "spark.local.dir"}  # noqa: S108 - Java's default, which ignores TMPDIR
    with_python = os.environ.get("TMPDIR")
    if with_python and "No usable temporary directory" in text:
        folders |= {with_python: "TMPDIR"}
    for folder, variable in folders.items():
        if problem := _cannot_write(folder):
            return f"{variable}: Spark cannot keep files in {folder}: {problem}; {_ROOM[variable]}"
    return None


_ROOM = {
    "SPARK_LOCAL_DIRS": "name a folder that can be written to, or unset it",
    "spark.local.dir": (
        "free space there, or set --driver-java-options -Djava.io.tmpdir=FOLDER and "
        "SPARK_LOCAL_DIRS=FOLDER"
    ),
    "TMPDIR": "name a folder that can be written to, or unset it",
}


def _ports_problem(text: str) -> str | None:
    found = re.search(r"Service '?(\w+)'? failed after \d+ retries", text)
    if found is None:
        return None
    return (
        f"no port is free for Spark's service {found[1]}: raise spark.port.maxRetries, or choose "
        "another range of ports"
    )


def _master_problem(text: str) -> str | None:
    if "All masters are unresponsive" in text or "stopped SparkContext" in text:
        return "the master does not answer; check spark.master, and whether the master runs"
    return None


_LOOKS: tuple[Callable[[str], str | None], ...] = (
    _home_problem,
    _java_problem,
    _option_problem,
    _memory_problem,
    _user_problem,
    _host_address_problem,
    _ports_problem,
    _temporary_folder_problem,
    _master_problem,
)


def _is_ours(address: str) -> bool:
    try:
        family, kind, _, _, place = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as tried:
            tried.bind(place)
    except OSError:
        return False
    return True


def _resolves(name: str) -> bool:
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return False
    return True


def _cannot_write(folder: str) -> str | None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_NEEDED_BYTES))
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return None
