"""A picture that kills the process that decodes it: all other pictures are scored."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pytest
from pyspark import cloudpickle
from support.archives import rows
from support.samples import fill_archive, score_arguments

from jobs.score import main
from steeldefect.bundle.files import Bundle
from steeldefect.pictures.decoding import DecodeLimits
from steeldefect.scoring.task import WaveTask
from steeldefect.tables.schema import TableName

pytestmark = pytest.mark.spark

PICTURES, LATER = 40, 6

Task = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def killed_by(marked: bytes, function: Task) -> Task:
    """Wrap the function that a worker process runs: decoding these bytes kills the process."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from steeldefect.scoring import worker

        decode = worker.decode_gray

        def decode_or_die(data: bytes, limits: DecodeLimits) -> object:
            if data == marked:
                os.kill(os.getpid(), signal.SIGKILL)
            return decode(data, limits)

        worker.decode_gray = decode_or_die
        try:
            yield from function(batches)
        finally:
            worker.decode_gray = decode

    return run


@contextmanager
def poison(picture: Path) -> Iterator[None]:
    """Let a picture kill every worker process that decodes it."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import it
    marked, function = picture.read_bytes(), WaveTask.function
    try:
        with patch.object(WaveTask, "function", lambda task: killed_by(marked, function(task))):
            yield
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_a_picture_that_kills_its_worker_is_alone_in_quarantine(
    rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = fill_archive(tmp_path / "archive", PICTURES)
    everything = fill_archive(tmp_path / "everything", PICTURES + LATER)
    output = tmp_path / "output"
    arguments = [
        *score_arguments(archive, rule_bundle.folder, output),
        *("--set", "wave_pictures=20", "--set", "max_tries=2"),
    ]

    def scored() -> list[str]:
        return [row["key"] for row in rows(output, TableName.IMAGES, "key")]

    def failed() -> list[tuple[object, ...]]:
        names = ("tries", "key", "stage", "error", "transient", "given_up")
        return [tuple(row.values()) for row in rows(output, TableName.QUARANTINE, *names)]

    others = [f"p{number:03d}.png" for number in range(PICTURES) if number != 7]
    first = (1, "p007.png", "worker", "WorkerDiedError", True, False)
    with poison(archive / "p007.png"):
        began = time.monotonic()
        assert main(arguments) == 0
        print(f"{PICTURES} pictures, one of which kills: {time.monotonic() - began:.1f} s")
        assert scored() == others
        assert failed() == [first]

        new = [f"p{number:03d}.png" for number in range(PICTURES, PICTURES + LATER)]
        for name in new:
            (everything / name).rename(archive / name)
        capsys.readouterr()
        assert main(arguments) == 0
    told = capsys.readouterr()
    assert f"scored {LATER} pictures" in told.out
    assert "in 2 waves" in told.err, "the new pictures first, in a wave of their own"
    assert scored() == others + new
    assert failed() == [first, (2, "p007.png", "worker", "WorkerDiedError", True, True)]

    assert main(arguments) == 0
    assert "(1 of them in quarantine for good" in capsys.readouterr().out
    assert main([*arguments, "--set", "max_tries=3"]) == 0  # it does not kill processes any more
    assert scored() == sorted([*others, *new, "p007.png"])
