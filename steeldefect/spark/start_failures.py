"""Why Spark does not start: names the variable, the file or the setting that is to blame.

Looked at only after a start that failed. Spark's own words decide where there are any; where the
JVM has ended without telling this process, what can be looked up here does.
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


def blame_for(text: str) -> str | None:
    """Name what keeps Spark from starting, and say what to do; None where it is not known.

    Args:
        text: what the start raised, and what the JVM wrote.
    """
    return next((blame for look in _LOOKS if (blame := look(text))), None)


def cause_of(error: BaseException, said: str) -> str | None:
    """Find the innermost cause that Java names; None where it names none.

    Args:
        error: what the start raised.
        said: what the JVM wrote.
    """
    for text in (str(error), said):
        if causes := _CAUSE.findall(text):
            return str(causes[-1])[:300]
    return None


def refuse_submit_arguments() -> str | None:
    """Say what is wrong with `PYSPARK_SUBMIT_ARGS`; None for nothing.

    To be asked before the JVM starts: with some of these, PySpark waits for ever.
    """
    given = os.environ.get("PYSPARK_SUBMIT_ARGS")
    if given is None:
        return None
    try:
        words = shlex.split(given)
    except ValueError as error:
        return f"PYSPARK_SUBMIT_ARGS={given!r}: {error}; mend it, or unset it"
    options = words[: words.index("pyspark-shell")] if "pyspark-shell" in words else words
    if "pyspark-shell" not in words or _ENDS_AT_ONCE & set(options):
        return (
            f"PYSPARK_SUBMIT_ARGS={given!r} starts no Spark: options of spark-submit, then the "
            'word pyspark-shell, such as "--driver-memory 2g pyspark-shell"; mend it, or unset it'
        )
    return None


def refuse_address() -> str | None:
    """Say that `SPARK_LOCAL_IP` is no address of this host; None where it is one, or is not set.

    To be asked before Spark starts: its page (`spark.ui.enabled`) cannot be opened then, which ends
    the JVM. That of `spark-submit` would take along the way to say why.
    """
    return None if "SPARK_LOCAL_IP" not in os.environ else _blame_address("")


def refuse_folders() -> str | None:
    """Say that no folder of `SPARK_LOCAL_DIRS` can be written to; None where one can.

    To be asked before Spark starts, for the same reason.
    """
    folders = [name for name in os.environ.get("SPARK_LOCAL_DIRS", "").split(",") if name]
    if "CONTAINER_ID" in os.environ:  # YARN's own folders count there
        return None
    if folders and all(_cannot_write(folder) for folder in folders):
        return _blame_folders("")
    return None


def _blame_home(text: str) -> str | None:
    del text
    home = os.environ.get("SPARK_HOME")
    if home is None or Path(home, "bin", "spark-submit").is_file():
        return None
    return f"SPARK_HOME={home} holds no Spark (no bin/spark-submit); correct it, or unset it"


def _blame_java(text: str) -> str | None:
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
        return f"{where} lacks the module jdk.incubator.vector; take a whole JDK or JRE; {install}"
    return None


def _blame_memory(text: str) -> str | None:
    small = re.search(r"Please increase heap size|INVALID_DRIVER_MEMORY", text)
    large = re.search(r"Could not reserve enough space|Invalid maximum heap size", text)
    too_much = re.search(r"insufficient memory|Cannot allocate memory", text)
    if not (small or large or too_much):
        return None
    problem = "is less than Spark needs (450 MiB)" if small else "is more than this host can give"
    return f"spark.driver.memory {problem}; set --driver-memory, 1g for example"


def _blame_address(text: str) -> str | None:
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


def _blame_option(text: str) -> str | None:
    found = re.search(r"Unrecognized option: ?'?([^\s']+)", text)
    given = os.environ.get("PYSPARK_SUBMIT_ARGS")
    if found is None or given is None or found[1] not in given:
        return None
    return f"PYSPARK_SUBMIT_ARGS={given!r}: spark-submit has no option {found[1]}; mend it"


def _blame_user(text: str) -> str | None:
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
        f"user id {number} has no entry in /etc/passwd, and Spark needs a name and a home; add "
        "one, or run as another user"
    )


def _blame_folders(text: str) -> str | None:
    """Try the folders in which Spark and Python keep temporary files."""
    local = os.environ.get("SPARK_LOCAL_DIRS", "")
    folders = {name: "SPARK_LOCAL_DIRS" for name in local.split(",") if name}
    folders |= {"/tmp": "spark.local.dir"}  # noqa: S108 - Java's own, whatever TMPDIR is
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
        "make room there, or give --driver-java-options -Djava.io.tmpdir=FOLDER and "
        "SPARK_LOCAL_DIRS=FOLDER"
    ),
    "TMPDIR": "name a folder that can be written to, or unset it",
}


def _blame_ports(text: str) -> str | None:
    found = re.search(r"Service '?(\w+)'? failed after \d+ retries", text)
    if found is None:
        return None
    return (
        f"no port is free for Spark's service {found[1]}: raise spark.port.maxRetries, or choose "
        "another range of ports"
    )


def _blame_master(text: str) -> str | None:
    if "All masters are unresponsive" in text or "stopped SparkContext" in text:
        return "the master does not answer; look at spark.master, and whether it runs"
    return None


_LOOKS: tuple[Callable[[str], str | None], ...] = (
    _blame_home,
    _blame_java,
    _blame_option,
    _blame_memory,
    _blame_user,
    _blame_address,
    _blame_ports,
    _blame_folders,
    _blame_master,
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
