"""The cause that is reported when Spark does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

from steeldefect.spark.start_failures import cause_of, find_problem, submit_arguments_problem

NONE_SET = ("SPARK_HOME", "SPARK_LOCAL_IP", "SPARK_LOCAL_DIRS", "PYSPARK_SUBMIT_ARGS")


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Unset all variables that the checks read."""
    for name in NONE_SET:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_where_nothing_is_known_nothing_is_blamed() -> None:
    assert find_problem("[JAVA_GATEWAY_EXITED] Java gateway process exited") is None


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            "java.lang.UnsupportedClassVersionError: org/apache/spark/launcher/Main has been "
            "compiled by a more recent version of the Java Runtime",
            "is older than Java 17; Spark needs Java 17 or newer",
        ),
        (
            "java.lang.module.FindException: Module jdk.incubator.vector not found",
            "lacks the module jdk.incubator.vector",
        ),
        (
            "Error occurred during initialization of VM\n"
            "Could not reserve enough space for 943718400000KB object heap",
            "spark.driver.memory is more than this host can give",
        ),
        (
            "[INVALID_DRIVER_MEMORY.SYSTEM_MEMORY] Insufficient driver memory",
            "spark.driver.memory is less than Spark needs",
        ),
        (
            "java.net.BindException: Address already in use: Service 'sparkDriver' failed after 16 "
            "retries (on a random free port)!",
            "no port is free for Spark's service sparkDriver: raise spark.port.maxRetries",
        ),
        (
            "ERROR StandaloneSchedulerBackend: Application has been killed. Reason: All masters "
            "are unresponsive! Giving up.",
            "the master does not answer; check spark.master",
        ),
    ],
)
def test_what_spark_says_names_the_setting(said: str, problem: str) -> None:
    named = find_problem(said)
    assert named is not None
    assert problem in named


def test_java_that_is_not_there(variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    variables.setenv("JAVA_HOME", str(tmp_path))
    assert (
        find_problem("") == f"JAVA_HOME={tmp_path} holds no Java (no bin/java that runs); correct "
        "it, or unset it"
    )
    variables.delenv("JAVA_HOME")
    variables.setenv("PATH", str(tmp_path))
    assert str(find_problem("")).startswith(
        "there is no java on the PATH, and JAVA_HOME is not set;"
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost"])
def test_an_address_of_this_host_is_not_blamed(variables: pytest.MonkeyPatch, address: str) -> None:
    variables.setenv("SPARK_LOCAL_IP", address)
    assert find_problem("") is None


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("'unbalanced", "No closing quotation"),
        ("garbage", "starts no Spark"),
        ("", "starts no Spark"),
        ("--version pyspark-shell", "starts no Spark"),
        ("--help", "starts no Spark"),
    ],
)
def test_submit_arguments_that_start_no_spark(
    variables: pytest.MonkeyPatch, given: str, problem: str
) -> None:
    variables.setenv("PYSPARK_SUBMIT_ARGS", given)
    refusal = submit_arguments_problem()
    assert refusal is not None
    assert refusal.startswith("PYSPARK_SUBMIT_ARGS=")
    assert problem in refusal


@pytest.mark.parametrize(
    "given", ["pyspark-shell", "--master 'local[2]' pyspark-shell", "pyspark-shell --version"]
)
def test_submit_arguments_that_may_start_spark(variables: pytest.MonkeyPatch, given: str) -> None:
    variables.setenv("PYSPARK_SUBMIT_ARGS", given)
    assert submit_arguments_problem() is None


def test_the_innermost_cause_is_what_java_names() -> None:
    said = (
        'Exception in thread "main" java.lang.ExceptionInInitializerError\n\tat a.b\n'
        "Caused by: java.net.UnknownHostException: nowhere: Name or service not known\n\tat c.d\n"
    )
    assert cause_of(OSError("refused"), said) == "nowhere: Name or service not known"
    assert cause_of(OSError("refused"), "Using Spark's default log4j profile\n") is None
