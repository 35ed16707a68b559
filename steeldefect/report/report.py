"""Make the morning page: read the tables, choose pictures, draw them on Spark, write the pages."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image
from pyspark.sql import SparkSession

from steeldefect.analysis.sql import opened_database
from steeldefect.errors import SettingsError, WaveError
from steeldefect.program.progress import say
from steeldefect.report import questions
from steeldefect.report.answers import Asker
from steeldefect.report.chosen import MOST_PICTURES, Chosen, PlateFile, choose_pictures
from steeldefect.report.coils import coils_of
from steeldefect.report.destination import (
    COILS,
    INDEX,
    PICTURES,
    delete_others,
    night_path,
    nights_with_pages,
    write_files,
)
from steeldefect.report.facts import Facts, read_facts
from steeldefect.report.on_spark import Plate, draw_plates
from steeldefect.report.pages import (
    NightContent,
    Origin,
    coil_page,
    coil_path,
    index_page,
    night_page,
    single_page,
)
from steeldefect.report.runs import NightRun, Nights, read_nights
from steeldefect.report.verdict import Verdict, verdict_of
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store, open_store

_LOG = logging.getLogger(__name__)

Sessions = Callable[[], AbstractContextManager[SparkSession]]
"""Opens Spark, if pictures are to be drawn."""


@dataclass(frozen=True)
class ReportRequest:
    """What to report, and where.

    Attributes:
        output: the tables.
        destination: folder or s3://bucket/prefix for the pages; for a single file also the
            address of the file.
        settings: how stores are reached, and the limits for reading pictures.
        run: id of a scoring run, or its first characters; None for the newest.
        nights: number of nights up to this run that get pages.
        single_file: whether one file holds everything of a night, to send by mail.
        pictures: most pictures that are drawn for a night, 0 to `MOST_PICTURES`.
    """

    output: Store
    destination: str
    settings: ScoreSettings
    run: str | None = None
    nights: int = 1
    single_file: bool = False
    pictures: int = MOST_PICTURES

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            SettingsError: a number is out of range.
        """
        if not 0 <= self.pictures <= MOST_PICTURES:
            raise SettingsError(
                f"pictures {self.pictures}: expected 0 to {MOST_PICTURES} for a night"
            )
        if self.nights < 1:
            raise SettingsError(f"nights {self.nights}: expected 1 or more")


@dataclass(frozen=True)
class Reported:
    """What was written.

    Attributes:
        address: address of the page to open.
        verdict: verdict of the newest night that was reported.
        drawn: number of pictures drawn.
        not_drawn: number of pictures that could not be drawn.
    """

    address: str
    verdict: Verdict
    drawn: int
    not_drawn: int


def report(request: ReportRequest, sessions: Sessions) -> Reported:
    """Write the pages of some nights, and the page over all nights.

    Pages of other nights are left as they are. Pages appear in an order in which no link leads
    nowhere: pictures, coils, nights, then the list of nights.

    Args:
        request: what to report, and where.
        sessions: opens Spark; called only if pictures are to be drawn.

    Raises:
        SettingsError: an address or a number is wrong.
        TableError: there is no such run, or the tables cannot be read.
        StoreError: the pages cannot be written.
    """
    with opened_database(request.output) as connection:
        asker = Asker(connection, {})
        nights = read_nights(asker)
        newest = nights.runs[-1] if request.run is None else nights.named(request.run)
        chosen_runs = nights.until(newest, request.nights)
        if request.single_file:
            chosen_runs = chosen_runs[-1:]
        contents = [_content(asker, nights, run, request.pictures) for run in chosen_runs]
        latest = _latest(asker, nights, contents)
        alarms, repeats = asker.ask(questions.ALARMS_OF_ALL), asker.ask(questions.REPEATS_OF_ALL)
    plates = _plates(contents, request.settings, sessions)
    now = datetime.now(UTC)
    if request.single_file:
        return _write_single(request, contents[-1], plates[-1], nights, now)
    store = open_store(request.destination, request.settings.s3)
    for content, drawn in zip(contents, plates, strict=True):
        existing = nights_with_pages(store)
        origin = Origin(request.output.uri, now, nights, existing)
        _write_night(store, origin, content, drawn)
    origin = Origin(request.output.uri, now, nights, nights_with_pages(store))
    page = index_page(origin, alarms, repeats, verdict_of(latest), latest.run)
    store.write(INDEX, page.encode())
    return _reported(f"{store.uri.rstrip('/')}/{INDEX}", contents[-1], plates)


def _content(asker: Asker, nights: Nights, run: NightRun, limit: int) -> NightContent:
    say(f"reading the night {run.run_id}: {run.scored:,} pictures scored")
    facts = read_facts(asker, nights, run)
    chosen = choose_pictures(asker, facts, limit)
    return NightContent(facts, chosen, coils_of(asker, facts, chosen, run.strip))


def _latest(asker: Asker, nights: Nights, contents: Sequence[NightContent]) -> Facts:
    """Return the facts of the newest night of all, for the list of nights."""
    newest = nights.runs[-1]
    own = contents[-1].facts
    return own if own.run == newest else read_facts(asker, nights, newest)


def _plates(
    contents: Sequence[NightContent], settings: ScoreSettings, sessions: Sessions
) -> list[list[Plate]]:
    """Draw the pictures of all nights in one Spark job; without Spark, say why there are none."""
    orders = [
        (night, one.order())
        for night, content in enumerate(contents)
        for one in content.chosen.pictures
    ]
    if not orders:
        return [[] for _ in contents]
    numbered = [replace(order, number=place) for place, (_, order) in enumerate(orders)]
    try:
        with sessions() as session:
            drawn = draw_plates(session, numbered, settings)
    except WaveError as error:
        _LOG.warning("the pages have no pictures: %s", error)
        drawn = [Plate(place, None, f"Spark failed: {error}") for place in range(len(orders))]
    plates: list[list[Plate]] = [[] for _ in contents]
    for plate in drawn:
        night, order = orders[plate.number]
        plates[night].append(replace(plate, number=order.number))
    return plates


def _write_night(
    store: Store, origin: Origin, content: NightContent, plates: Sequence[Plate]
) -> None:
    run_id = content.facts.run.run_id
    files, known = {}, {}
    for plate in plates:
        if plate.data is not None:
            path = f"{PICTURES}/{run_id}/{plate.number:04d}.jpg"
            files[path] = plate.data
            known[plate.number] = _file(path, plate.data)
    night = _with_plates(content, known, plates)
    write_files(store, files)
    coils = {coil_path(night, one): coil_page(origin, night, one).encode() for one in night.coils}
    write_files(store, coils)
    store.write(night_path(run_id), night_page(origin, night).encode())
    delete_others(store, f"{PICTURES}/{run_id}", files)
    delete_others(store, f"{COILS}/{run_id}", coils)


def _write_single(
    request: ReportRequest,
    content: NightContent,
    plates: Sequence[Plate],
    nights: Nights,
    now: datetime,
) -> Reported:
    known = {
        one.number: _file(f"data:image/jpeg;base64,{base64.b64encode(one.data).decode()}", one.data)
        for one in plates
        if one.data is not None
    }
    night = _with_plates(content, known, plates)
    origin = Origin(request.output.uri, now, nights, frozenset())
    folder, name = request.destination, f"night-{content.facts.run.run_id}.html"
    if folder.endswith(".html"):
        folder, _, name = folder.rpartition("/")
    store = open_store(folder or ".", request.settings.s3)
    store.write(name, single_page(origin, night).encode())
    return _reported(f"{store.uri.rstrip('/')}/{name}", content, [plates])


def _file(path: str, data: bytes) -> PlateFile:
    width, height = Image.open(io.BytesIO(data)).size
    return PlateFile(path, width, height)


def _with_plates(
    content: NightContent, known: Mapping[int, PlateFile], plates: Sequence[Plate]
) -> NightContent:
    problems = {one.number: one.problem for one in plates if one.problem is not None}
    chosen: Chosen = content.chosen.with_plates(known, problems)
    coils = [replace(one, pictures=tuple(chosen.of_coil(one.name))) for one in content.coils]
    return replace(content, chosen=chosen, coils=coils)


def _reported(address: str, content: NightContent, plates: Sequence[Sequence[Plate]]) -> Reported:
    every = [one for of_night in plates for one in of_night]
    drawn = sum(one.data is not None for one in every)
    if Path(address).exists():
        address = Path(address).resolve().as_uri()
    return Reported(address, verdict_of(content.facts), drawn, len(every) - drawn)
