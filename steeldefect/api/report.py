"""Write the morning page from Python: `report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from steeldefect.report.chosen import MOST_PICTURES
from steeldefect.report.report import Reported, ReportRequest
from steeldefect.report.report import report as write_report
from steeldefect.settings import GivenSettings, settings_from
from steeldefect.spark.callers_session import callers_session, session_for
from steeldefect.stores import open_store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_PICTURES_OF_FILE = 40  # a mail with more is refused by many servers


def report(  # noqa: PLR0913 - keywords of a public function
    output: str | Path,
    to: str | Path,
    *,
    run: str | None = None,
    nights: int = 1,
    single_file: bool = False,
    pictures: int | None = None,
    settings: GivenSettings = None,
    spark: SparkSession | None = None,
) -> Reported:
    """Write the page of a night, those of its coils, and the page over all nights, as HTML.

    The tables are read only. The pages open from disk, and need neither a network nor JavaScript.

    Args:
        output: address of the tables.
        to: folder or s3://bucket/prefix for the pages; with `single_file` also a file (`.html`).
        run: id of a scoring run, or its first characters; None for the newest.
        nights: number of nights up to this run that get pages.
        single_file: whether one file holds everything of a night, for mail.
        pictures: most pictures drawn for a night, at most 200; None for 200, or 40 in one file.
        settings: settings, or the file that holds them.
        spark: session to use; None for the session that is open, or a new one.

    Raises:
        SettingsError: a number or an address is wrong.
        TableError: there is no such run, or the tables cannot be read.
        StoreError: the pages cannot be written.
    """
    given = settings_from(settings)
    session = callers_session(spark)
    if pictures is None:
        pictures = _PICTURES_OF_FILE if single_file else MOST_PICTURES
    request = ReportRequest(
        output=open_store(str(output), given.s3),
        destination=str(to),
        settings=given,
        run=run,
        nights=nights,
        single_file=single_file,
        pictures=pictures,
    )
    return write_report(request, lambda: session_for("steeldefect report", session))
