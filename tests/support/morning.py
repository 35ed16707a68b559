"""Outputs and morning pages for tests: a plant with everything that a page can show.

The gate of the bundle that scores stops a picture with one class and passes one with both. So
pictures with a bright square alone are what the audit finds, and where the second bundle differs,
whose gate passes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import DefectClass
from steeldefect.cli import main as steeldefect
from steeldefect.errors import StoreUnavailableError
from steeldefect.publish.runs import Outcome, RunRecord, record_run
from steeldefect.repeats.rolls import find_rolls
from steeldefect.repeats.rows import as_table, roll_row
from steeldefect.report.on_spark import Plate, PlateOrder, _drawn
from steeldefect.review.stored_pictures import StoredPictures
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Fetched, FetchLimits, open_store
from steeldefect.stores.local import LocalStore
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import Origin, whole_rows
from steeldefect.tables.schema import TableName
from steeldefect.watch_settings import WatchSettings
from support.archives import rows
from support.samples import HEIGHT, WIDTH, build_rule_bundle, plain_picture, save, score_arguments
from support.short_runs import score_without_spark
from support.steel import Gray

FRAME_MM, PERIOD_MM = 512.0, 1_250.0
PIXEL_MM = FRAME_MM / WIDTH
_SQUARE = 16
MARKED = 202
"""Number of the coil on which a roll prints its mark."""
STRIP = (
    *("--set", f"strip.frame_mm={FRAME_MM}", "--set", f"strip.pixel_mm={PIXEL_MM}"),
    *("--set", "strip.along=x", "--set", "watch.after_score=false"),
)
_PATTERN = r"(?P<coil>[^/]+)/(?P<camera>c\d)-(?P<side>top|bottom)-(?P<frame>\d+)\.png"
_SURE_OF_BOTH = 0.99999
"""Threshold of a gate that stops pictures with one class; see `build_rule_bundle`."""


@dataclass(frozen=True)
class Plant:
    """An output with what it was made from.

    Attributes:
        archive: folder of the pictures.
        output: address of the tables.
        runs: ids of the scoring runs, the oldest first.
        bundle, shadow: the bundles.
        arguments: what `jobs/score.py` was called with.
    """

    archive: Path
    output: str
    runs: tuple[str, ...]
    bundle: Bundle
    shadow: Bundle
    arguments: tuple[str, ...]

    def rows(self, table: TableName, run: str) -> list[dict[str, Any]]:
        """Return the rows of one run."""
        return [one for one in rows(self.output, table) if one["run_id"] == run]


def make_bundles(folder: Path, classes: Sequence[str]) -> tuple[Bundle, Bundle]:
    """Build the bundle that scores and the one that scores beside it."""
    names = [DefectClass(id=number, name=name) for number, name in enumerate(classes, 1)]
    strict = build_rule_bundle(folder / "strict", gate_threshold=_SURE_OF_BOTH, classes=names)
    return strict, build_rule_bundle(folder / "open", classes=names)


def make_plant(folder: Path, bundles: tuple[Bundle, Bundle]) -> Plant:
    """Score three nights; watch them, and write an evaluation.

    In the second night a roll prints its mark on the coil `MARKED`, and pictures cannot be scored.
    In the third night the pictures are darker.
    """
    archive, output = folder / "archive", str(folder / "output")
    arguments = (
        *score_arguments(archive, bundles[0].folder, output),
        *("--shadow", str(bundles[1].folder), "--set", f"strip.key_pattern={_PATTERN}", *STRIP),
        *("--set", "audit_share=1", "--set", "max_tries=1", "--set", "max_failure_share=1"),
    )
    for night in (1, 2, 3):
        _write_night(archive, night)
        with _store_that_refuses("flaky"):
            done(score_without_spark(arguments))
    runs = runs_of(output)
    for run in runs:
        watch_without_spark(output, run, () if run == runs[0] else ("--reference", runs[0]))
    write_evaluation(output, bundles[0])
    return Plant(archive, output, runs, *bundles, arguments)


def _write_night(archive: Path, night: int) -> None:
    """Write the pictures of twelve coils, each seen by two cameras."""
    rng = np.random.default_rng(night)
    light = 0.7 if night == 3 else 1.0
    for coil in range(100 * night + 1, 100 * night + 13):
        for camera, side in (("c1", "top"), ("c2", "bottom")):
            if (coil, camera) == (MARKED, "c1"):
                pictures = _marked_pictures()
            else:
                kinds = [(coil + 3 * frame) % 7 for frame in range(3)]
                pictures = [random_picture(rng, kind, light) for kind in kinds]
            for frame, picture in enumerate(pictures):
                save(picture, archive / f"coil {coil}/{camera}-{side}-{frame:03d}.png")
    if night == 2:
        (archive / "coil 201/c1-top-090.png").write_bytes(b"")
        (archive / "coil 201/c1-top-091.png").write_text("words")
        save(plain_picture(), archive / "flaky/c1-top-001.png")


def random_picture(rng: np.random.Generator, kind: int, light: float = 1.0) -> Gray:
    """Return a picture: kinds 1 and 2 with a bright square, 2 with a dark square beside it."""
    picture = (plain_picture(int(rng.integers(1_000))) * light).astype(np.uint8)
    top, left = int(rng.integers(0, HEIGHT - _SQUARE)), int(rng.integers(0, WIDTH // 2 - _SQUARE))
    if kind in (1, 2):
        picture[top : top + _SQUARE, left : left + _SQUARE] = 250
    if kind == 2:
        wide = int(rng.integers(4, _SQUARE))
        picture[top : top + _SQUARE, left + WIDTH // 2 :][:, :wide] = 2
    return picture


def _marked_pictures() -> list[Gray]:
    """Return the pictures of a coil on which a roll prints its mark; dark spots lie beside it."""
    rng = np.random.default_rng(7)
    pictures = [plain_picture(int(rng.integers(1_000))) for _ in range(28)]
    for place in np.arange(300.0, len(pictures) * FRAME_MM, PERIOD_MM):
        frame, left = int(place // FRAME_MM), int(place % FRAME_MM / PIXEL_MM)
        if left <= WIDTH - _SQUARE:  # else it would lie on two pictures
            pictures[frame][20 : 20 + _SQUARE, left : left + _SQUARE] = 250
            column = int(rng.integers(0, WIDTH - 8))
            pictures[frame][50:58, column : column + 8] = 2
    return pictures


def done(code: int) -> None:
    """Raise an error unless a program ended well."""
    if code:
        raise RuntimeError(f"a program that a test needs ended with {code}")


def runs_of(output: str) -> tuple[str, ...]:
    """Return the ids of the scoring runs, the oldest first, without those of shadows."""
    found = [one for one in rows(output, TableName.RUNS) if one["job"] == "score"]
    found.sort(key=lambda one: one["run_number"] or 0)
    return tuple(one["run_id"] for one in found if one["shadow_of"] is None)


@contextmanager
def _store_that_refuses(word: str) -> Iterator[None]:
    """Let the store of the pictures not answer for keys with a word."""
    fetch = LocalStore.fetch

    def fetched(store: LocalStore, key: str, limits: FetchLimits) -> Fetched:
        if word in key:
            raise StoreUnavailableError(f"{store.uri}/{key}: no answer")
        return fetch(store, key, limits)

    with patch.object(LocalStore, "fetch", fetched):
        yield


def watch_without_spark(output: str, run: str, more: Sequence[str] = ()) -> None:
    """Run `steeldefect watch`, and search rolls in this process, with the code of Spark's tasks."""
    with patch("steeldefect.watch.watch._repeats", _repeats):
        done(steeldefect(["watch", "--output", output, "--run", run, *more]))


def _repeats(
    around: pa.Table, settings: WatchSettings, sessions: object
) -> tuple[pa.Table, tuple[str, ...]]:
    del sessions
    found = around.filter(around["tonight"]).to_pandas()
    made: list[dict[str, Any]] = []
    for _, defects in found.groupby("coil"):
        own = defects.reset_index(drop=True)
        made += [roll_row(one, own) for one in find_rolls(own, settings.rolls).rolls]
    return as_table(made), ()


def write_evaluation(output: str, bundle: Bundle) -> None:
    """Write an evaluation as `jobs/evaluate.py` does."""
    origin = Origin("evaluation-1", bundle.digest, datetime.now(UTC), 1_000)
    tables = Tables(open_store(output))
    figures = {"defect_recall": 0.875, "verdict_precision": 2 / 3, "gate_recall": 1.0}
    scores = [
        {
            **{"scope": "overall", "class_id": None, "class_name": None, "labels": "/l/train.csv"},
            **{"name": name, "value": value, "low": value / 2, "high": 1.0, "support": 40 + place},
        }
        for place, (name, value) in enumerate(figures.items())
    ]
    tables.append(TableName.METRICS, whole_rows(TableName.METRICS, scores, origin))
    record_run(tables, origin, RunRecord("evaluate", "/l/train.csv", Outcome.SUCCESS, 1.0))


@contextmanager
def drawing_in_this_process() -> Iterator[None]:
    """Draw plates with the code of Spark's tasks, without Spark, until the block ends."""

    def drawn(
        session: object, orders: Sequence[PlateOrder], settings: ScoreSettings
    ) -> list[Plate]:
        del session
        pictures = StoredPictures(settings)
        return [_drawn(PlateOrder.from_text(one.to_text()), pictures) for one in orders]

    with (
        patch("steeldefect.report.report.draw_plates", drawn),
        patch("steeldefect.api.report.session_for", lambda *_: nullcontext()),
    ):
        yield


def report_without_spark(output: str, to: object, *more: str) -> int:
    """Run `steeldefect report` without Spark, and return the exit code."""
    with drawing_in_this_process():
        return steeldefect(["report", "--output", output, "--to", str(to), *more])


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, by their path."""
    return {
        one.relative_to(folder).as_posix(): one.read_bytes()
        for one in sorted(folder.rglob("*"))
        if one.is_file()
    }


def undated(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return pages without the moment and the day on which they were made."""
    made = re.compile(rb'(tables at .*, <time datetime=")[^"]*">[^<]*</time>\s+on\s+[^.]*')
    return {path: made.sub(rb"\1", data) for path, data in files.items()}
