"""A caller's Spark session, and an archive that the job scored in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.archives import salt
from support.samples import fill_archive

import steeldefect
from steeldefect.bundle.files import Bundle

PICTURES = 11


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    """A session like that of a notebook, with two tasks at a time."""
    session = (
        SparkSession.builder.master("local[2]")
        .appName("a caller's pipeline")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven pictures, and seven files that are not pictures."""
    folder = fill_archive(tmp_path_factory.mktemp("archive"), PICTURES)
    salt(folder)
    return folder


@pytest.fixture(scope="module")
def output(
    spark: SparkSession,
    archive: Path,
    rule_bundle: Bundle,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The tables of that archive."""
    folder = tmp_path_factory.mktemp("scored") / "output"
    steeldefect.score(
        archive, rule_bundle.folder, folder, spark=spark, settings={"max_failure_share": 0.5}
    )
    return folder
