"""An output on a disk that is full or read-only."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives import answers
from support.samples import fill_archive, score_arguments
from support.short_runs import quick_leases, score_without_spark

from jobs.score import main
from steeldefect.bundle.files import Bundle
from steeldefect.errors import StoreError

PICTURES = 12
WAVES = ("--set", "wave_pictures=6")
KILOBYTES = 1024


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_archive(tmp_path_factory.mktemp("archive"), PICTURES)


@pytest.fixture(scope="module")
def unharmed(archive: Path, rule_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("unharmed")
    assert score_without_spark(score_arguments(archive, rule_bundle.folder, output)) == 0
    return output


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A separate file system of 1 MiB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={KILOBYTES}k,noswap", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        command[4] = f"size={KILOBYTES}k"
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def leave(disk: Path, kilobytes: int) -> None:
    """Fill a disk except for some kilobytes."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    free = shutil.disk_usage(disk).free
    filler.write_bytes(bytes(max(0, free - kilobytes * 1024)))


@pytest.mark.slow
def test_the_disk_is_full_at_any_time(
    archive: Path,
    rule_bundle: Bundle,
    unharmed: Path,
    disk: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each run finds a little more free space than the run before it, and gets a little further."""
    arguments = [*score_arguments(archive, rule_bundle.folder, disk / "tables"), *WAVES]
    codes = []
    with quick_leases():
        for kilobytes in range(0, KILOBYTES, 8):
            leave(disk, kilobytes)
            codes.append(score_without_spark(arguments))
            told = capsys.readouterr().err
            if codes[-1] == 0:
                break
            assert codes[-1] == StoreError.exit_code, told
            assert "No space left on device" in told.splitlines()[-1]
        assert len(codes) > 8
        (disk / "filler").unlink()
        assert score_without_spark(arguments) == 0
    assert answers(disk / "tables") == answers(unharmed)


@pytest.mark.spark
def test_the_disk_is_full_where_workers_write(
    archive: Path,
    rule_bundle: Bundle,
    unharmed: Path,
    disk: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [*score_arguments(archive, rule_bundle.folder, disk / "tables"), *WAVES]
    leave(disk, 32)
    with quick_leases():
        assert main(arguments) == StoreError.exit_code
        assert "No space left on device" in capsys.readouterr().err.splitlines()[-1]
        (disk / "filler").unlink()
        assert main(arguments) == 0
    assert answers(disk / "tables") == answers(unharmed)


@pytest.mark.parametrize("written", [False, True], ids=["from the start", "later on"])
def test_the_disk_may_only_be_read(
    written: bool,
    archive: Path,
    rule_bundle: Bundle,
    unharmed: Path,
    disk: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [*score_arguments(archive, rule_bundle.folder, disk / "tables"), *WAVES]
    with quick_leases():
        if written:
            assert score_without_spark(arguments) == 0
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert score_without_spark(arguments) == StoreError.exit_code
        assert "Read-only file system" in capsys.readouterr().err.splitlines()[-1]
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert score_without_spark(arguments) == 0
    assert answers(disk / "tables") == answers(unharmed)
