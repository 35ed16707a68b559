"""The nightly run and its page in Airflow 3: score at half past one, then write the morning page.

Install: copy this file into Airflow's folder `dags`, and change the addresses and the paths below.
The tasks start this project's own programs, so Airflow needs none of its packages.

A run that failed is started again only where another try may succeed; it goes on where it ended.
All other failures need a person, so the task fails at once. The page is written whatever became of
the run: it says so. The page is a teardown, because Airflow does not judge a run by those: a run
counts as failed if scoring failed, and only then.
"""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

HOME = "/opt/steeldefect"
INPUT = "s3://plant/archive"
BUNDLE = "s3://plant/models/production"
TABLES = "s3://plant/tables"
PAGES = "s3://plant/pages"

MAY_PASS = (4, 6, 9)
"""Exit codes after which another try may succeed: store, busy output, Spark."""


def start(*command: str) -> None:
    """Run a program of this project in its own environment, which comes first on the PATH.

    Raises:
        AirflowException: it failed, and another try may succeed.
        AirflowFailException: it failed, and a person has to do something.
    """
    programs = f"{HOME}/.venv/bin"
    environment = {**os.environ, "PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}"}
    line = [f"{programs}/{command[0]}", *command[1:]]
    ended = subprocess.run(line, cwd=HOME, env=environment, check=False)
    if ended.returncode in MAY_PASS:
        raise AirflowException(f"exit code {ended.returncode}: it is tried again")
    if ended.returncode:
        raise AirflowFailException(f"exit code {ended.returncode}: see docs/operations.md")


@dag(
    dag_id="steeldefect",
    schedule="30 1 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,  # a run scores all that is new, also that of nights without a run
    max_active_runs=1,
    tags=["steel"],
)
def steeldefect() -> None:
    """Score the new pictures of the strip, then write the morning page."""

    @task(retries=8, retry_delay=timedelta(minutes=15))
    def score() -> None:
        start(
            "spark-submit",
            *("--properties-file", "conf/spark/standalone.conf", "jobs/score.py"),
            *("--input", INPUT, "--bundle", BUNDLE, "--output", TABLES),
            *("--log-format", "json"),
        )

    @task(retries=1)
    def page() -> None:
        start("steeldefect", "report", "--output", TABLES, "--to", PAGES)

    score() >> page().as_teardown()


steeldefect()
