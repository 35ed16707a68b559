"""A process that has queried tables always ends with its own exit code.

A scan that is not read to its end goes on in Arrow's threads. A thread that calls into a Python
that has shut down aborts, crashes or hangs the process. That happens by chance, so the tests end
many processes: `STEELDEFECT_ENDS` (20) in all, 200 with `make test-ends`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyarrow.fs import PyFileSystem
from support.altered import images_of
from support.examples import finish
from support.samples import ROOT

from steeldefect.stores import S3Settings, Store, open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.remote_files import ScanHandler, end_scans
from steeldefect.tables.schema import TableName

ENDS = int(os.environ.get("STEELDEFECT_ENDS", "20"))
FILES = 24  # more than Arrow reads ahead
AT_ONCE = 4

BEGINNING = """
import sys
from steeldefect.stores import S3Settings, open_store
from steeldefect.analysis.sql import open_database, query_result
settings = S3Settings.model_validate_json(sys.argv[2])
store = open_store(sys.argv[1], settings)
"""
WAYS = {
    "a database that is left open": """
database = open_database(store)
found = database.sql("SELECT * FROM images LIMIT 1").fetchall()
""",
    "a database that is closed": """
with open_database(store) as database:
    found = database.sql("SELECT * FROM images LIMIT 1").fetchall()
""",
    "a result that is read by half": """
database = open_database(store)
result = database.sql("SELECT * FROM images").to_arrow_reader(1)
found = [result.read_next_batch()]
""",
    "a scan that is read by half": """
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName
reader = Tables(store).dataset(TableName.IMAGES).scanner().to_reader()
found = [reader.read_next_batch()]
""",
    "an error in the middle": """
from steeldefect.errors import QueryError
try:
    with query_result(store, "SELECT CAST(key AS INT) FROM images") as relation:
        relation.fetchall()
except QueryError as error:
    found = [error]
""",
}
END = """
assert len(found) == 1
sys.exit(42)
"""


@pytest.fixture(scope="module")
def in_s3(s3: S3Settings, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Publish to an output in S3 until its table `images` has many files."""
    return with_many_files(open_store(f"s3://plant/{tmp_path_factory.mktemp('ends').name}", s3))


@pytest.fixture(scope="module")
def in_folder(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Publish to an output in a folder until its table `images` has many files."""
    return with_many_files(open_store(str(tmp_path_factory.mktemp("ends"))))


def with_many_files(store: Store) -> Store:
    images_of(store, *(f"{number}.png" for number in range(FILES)))
    finish(store)
    return store


def end_of(program: str, *arguments: str) -> int | str:
    """Run a program to its end; return its exit code, and its errors if that is not 42."""
    command = [sys.executable, "-X", "faulthandler", "-c", program, *arguments]
    try:
        run = subprocess.run(
            command, cwd=ROOT, capture_output=True, timeout=60, check=False, text=True
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    return 42 if run.returncode == 42 else f"{run.returncode}: {run.stderr}"


@pytest.mark.parametrize("output", ["in_folder", "in_s3"])
@pytest.mark.parametrize("way", WAYS)
def test_a_process_ends_as_it_says(
    request: pytest.FixtureRequest, s3: S3Settings, output: str, way: str
) -> None:
    store: Store = request.getfixturevalue(output)
    arguments = (store.uri, s3.model_dump_json())
    times = max(1, ENDS // (2 * len(WAYS)))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = [pool.submit(end_of, BEGINNING + WAYS[way] + END, *arguments) for _ in range(times)]
        ends = Counter(run.result() for run in runs)
    assert ends == {42: times}


@pytest.mark.parametrize(("form", "end"), [("csv", signal.SIGINT), ("table", signal.SIGTERM)])
def test_a_signal_ends_a_query_at_once(
    any_store: Store, s3: S3Settings, form: str, end: signal.Signals
) -> None:
    store, settings = any_store, s3
    images_of(store, "a.png")
    finish(store)
    query = (
        "SELECT count(*) FROM images, range(3000000) AS a, range(300000) AS b "
        "WHERE a.range % 7 = b.range % 11"
    )
    given = [f"--set=s3.endpoint_url={settings.endpoint_url}", "--set=s3.region=us-east-1"]
    command = [sys.executable, "-m", "steeldefect.cli", "sql", query, "--output", store.uri]
    with subprocess.Popen(
        [*command, "--format", form, *given], cwd=ROOT, stderr=subprocess.PIPE
    ) as process:
        wait_until_busy(process.pid)
        process.send_signal(end)
        try:
            error = process.communicate(timeout=30)[1].decode()
        finally:
            process.kill()
    assert process.returncode == 130, error
    assert error.startswith("interrupted")
    assert error.count("\n") == 1


def wait_until_busy(process: int) -> None:
    """Wait until a process has used more CPU time than its start takes: the query is running."""
    ticks = os.sysconf("SC_CLK_TCK")
    for _ in range(600):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        if (int(fields[11]) + int(fields[12])) / ticks > 4:
            return
        time.sleep(0.1)
    raise TimeoutError("the query did not begin")


def test_scans_that_have_ended_read_nothing_more(in_s3: Store) -> None:
    dataset = Tables(in_s3).dataset(TableName.IMAGES)
    reader = dataset.scanner(batch_readahead=1, fragment_readahead=1).to_reader()
    reader.read_next_batch()
    end_scans()
    with pytest.raises(OSError, match="this scan was ended"):
        reader.read_all()
    assert dataset.count_rows() == FILES, "a scan that begins later is another one"


def test_the_type_of_an_error_is_waited_for_when_its_scan_is_released(
    s3: S3Settings, s3_address: str
) -> None:
    """Arrow's threads release an error in three calls into Python: its type is the last."""
    store = open_store(s3_address, s3)
    scans = [ScanHandler(store.uri, store.delta_options(), {})]
    scans[0].call(lambda: None)
    alive = weakref.ref(scans[0])
    begun, done = threading.Event(), threading.Event()

    def wait_for_the_end() -> None:
        begun.set()
        while True:
            try:
                scans[0].call(lambda: time.sleep(0.01))
            except OSError as error:
                kept = [type(error)]
                break
        scans.clear()
        time.sleep(0.3)
        assert alive() is None
        done.set()
        kept.clear()

    thread = threading.Thread(target=wait_for_the_end)
    thread.start()
    begun.wait()
    end_scans()
    assert done.is_set()
    thread.join()


def test_a_read_that_fails_after_the_end_was_ended(s3: S3Settings, s3_address: str) -> None:
    store = open_store(s3_address, s3)
    scan = ScanHandler(store.uri, store.delta_options(), {})

    def fail() -> None:
        raise ValueError("of any type")

    def fail_after_the_end() -> None:
        scan.end()
        fail()

    with pytest.raises(ValueError, match="of any type"):
        scan.call(fail)
    with pytest.raises(OSError, match="this scan was ended"):
        scan.call(fail_after_the_end)


def test_data_that_was_read_keeps_its_scan(s3: S3Settings, s3_address: str) -> None:
    store = open_store(s3_address, s3)
    store.write("a.parquet", b"PAR1")
    scan = ScanHandler(store.uri, store.delta_options(), {"a.parquet": 4})
    alive = weakref.ref(scan)
    file = PyFileSystem(scan).open_input_file("a.parquet")
    del scan
    data = file.read_buffer(4)
    del file
    assert data.to_pybytes() == b"PAR1"
    assert alive() is not None, "Arrow may release the data in a thread of its own"
    del data
    assert alive() is None
