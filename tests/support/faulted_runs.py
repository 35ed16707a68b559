"""Scoring runs on an S3 server behind a proxy that injects faults, and checks of the tables."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tenacity import wait_random

from steeldefect.bundle.files import Bundle
from steeldefect.stores.s3_client import open_client
from steeldefect.tables.schema import TableName
from support.archives import answers, rows
from support.fault_proxy import Fault, FaultProxy, Injected, Rule
from support.s3_servers import Server
from support.samples import score_arguments
from support.short_runs import quick_leases, score_without_spark

BRISK = (
    *("--set", "s3.max_attempts=2", "--set", "s3.read_timeout_seconds=1"),
    *("--set", "fetch_seconds=2", "--set", "max_store_failures=3"),
)
"""Settings of a run that gives up soon."""

PATIENT = (
    *("--set", "s3.max_attempts=5", "--set", "s3.read_timeout_seconds=1"),
    *("--set", "fetch_seconds=8"),
)
"""Settings of a run that survives a few faults."""

ENDS = {0, 4, 6, 7, 10}
"""Exit codes of a run whose store fails: done, the store, another holder, failures, tables."""

_UNREACHED = r"no answer .*Connection|[Cc]onnection (error|reset)"
_LATE = r"no answer .*(Timeout|in \d+ s)|timed out|timeout"
_NOT_THE_STORE = (
    r"not a listing|not those of ETag|not proven|non-partial|ETag Header|invalid list|"
    r"without some of its entries|was not found, but the store lists|was opened at version"
)

CAUSES = {
    Fault.SLOW_DOWN: r"SlowDown|503",
    Fault.INTERNAL_ERROR: r"InternalError|500 Internal",
    Fault.FORBIDDEN: r"access was denied|403 Forbidden|lacked the necessary privileges",
    Fault.NOT_FOUND: r"no such object|not found|404 Not Found",
    Fault.RESET: _UNREACHED,
    Fault.STALL: _LATE,
    Fault.ACKNOWLEDGED: rf"{_NOT_THE_STORE}|No table metadata|ignores conditional|no such object|"
    "does not hold",
    Fault.ANSWER_LOST: _UNREACHED,
    Fault.ANSWER_STALLS: _LATE,
    Fault.RESET_IN_BODY: rf"{_UNREACHED}|no answer .*Streaming|reading a body",
    Fault.TRUNCATED: r"no answer .*(Connection|Streaming|IncompleteRead|bytes)|message length|"
    "File too short",
    Fault.SHORTENED: rf"{_NOT_THE_STORE}|magic bytes|File too short|Json error|failing \(500",
    Fault.SLOW: _LATE,
    Fault.WRONG_ETAG: r"not those of ETag",
    Fault.PAGE: rf"{_NOT_THE_STORE}|Json error|ignores conditional|Invalid table",
    Fault.EMPTY: rf"{_NOT_THE_STORE}|No table metadata|ignores conditional",
}
"""By fault, a regular expression that its error message must match."""

PLACES = {
    "the listing of the pictures": ("GET", r"prefix=archive/"),
    "a picture": ("GET", r"/archive/.*png$"),
    "a part": ("PUT", r"/tables/(images|predictions)/scored.*parquet$"),
    "a part that is read back": ("GET", r"/tables/predictions/scored.*parquet$"),
    "the record": ("PUT", r"/_waves/[^/]+\.json$"),
    "a commit of images": ("PUT", r"/tables/images/_delta_log/\d+\.json$"),
    "a record that was found": ("GET", r"/_waves/[^/]+\.json$"),
    "a commit of predictions": ("PUT", r"/tables/predictions/_delta_log/\d+\.json$"),
    "the listing of the claims": ("GET", r"prefix=tables/_waves/claims/"),
    "the end of the record": ("DELETE", r"/_waves/[^/]+\.json$"),
    "the listing of the records": ("GET", r"prefix=tables/_waves/&"),
    "the claim": ("PUT", r"/_waves/claims/"),
    "the claim, read": ("GET", r"/_waves/claims/\d+\.json$"),
    "the lock": ("PUT", r"/_lock/\d+\.json$"),
    "the lock, read": ("GET", r"/_lock/\d+\.json$"),
    "the listing of the locks": ("GET", r"prefix=tables/_lock/"),
    "the sign of life": ("PUT", r"/_lock/\d+\.alive$"),
    "a commit of runs": ("PUT", r"/tables/runs/_delta_log/\d+\.json$"),
    "a log, read": ("GET", r"/tables/images/_delta_log/\d+\.json$"),
    "the listing of a log": ("GET", r"prefix=tables/images/_delta_log/"),
}
"""Requests of a run: method, and a regular expression for path and query."""


@dataclass(frozen=True)
class Faulted:
    """Exit code and output of a run, and the faults that it met."""

    code: int
    out: str
    err: str
    faults: Sequence[Injected]

    @property
    def error(self) -> str:
        """The last line of standard error."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""

    def says_why(self) -> bool:
        """Return whether the run succeeded, or its error names a fault that it met."""
        if self.code == 0:
            return True
        kinds = {one.fault for one in self.faults}
        return self.error.startswith("error: ") and any(
            re.search(CAUSES[kind], self.error) for kind in kinds
        )


@dataclass
class Plant:
    """An archive that grows, and its tables, both in a bucket behind the proxy.

    Attributes:
        bucket: bucket of archive and tables.
        pictures: files that are delivered one after the other, sorted by name.
        expected: rows of a run without faults over all pictures.
        met: all faults so far.
    """

    server: Server
    proxy: FaultProxy
    bundle: Bundle
    bucket: str
    pictures: Sequence[Path]
    expected: dict[str, list[dict[str, Any]]]
    score: Callable[[Sequence[str]], int] = score_without_spark
    met: list[Injected] = field(default_factory=list)
    delivered: set[str] = field(default_factory=set)

    @property
    def output(self) -> str:
        """Address of the output."""
        return f"s3://{self.bucket}/tables"

    @property
    def arguments(self) -> list[str]:
        """Arguments of the job, without the address of the proxy."""
        return score_arguments(f"s3://{self.bucket}/archive", self.bundle.folder, self.output)

    def deliver(self, count: int) -> None:
        """Put the next pictures into the archive."""
        client = self.server.client()
        for path in self.pictures[len(self.delivered) :][:count]:
            client.put_object(
                Bucket=self.bucket, Key=f"archive/{path.name}", Body=path.read_bytes()
            )
            self.delivered.add(path.name)

    def run(self, *more: str, faults: Iterable[Rule] = ()) -> Faulted:
        """Run the job through the proxy."""
        self.proxy.inject(*faults)
        through = ("--set", f"s3.endpoint_url={self.proxy.endpoint}")
        out, err = io.StringIO(), io.StringIO()
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = self.score([*self.arguments, *through, *more])
        finally:
            met = self.proxy.heal()
        self.met += met
        return Faulted(code, out.getvalue(), err.getvalue(), met)

    def failures(self) -> list[dict[str, Any]]:
        """Return the rows of `quarantine`."""
        return rows(self.output, TableName.QUARANTINE)

    def check_nothing_new(self) -> None:
        """Check that the last run failed and published no picture."""
        scored = {row["run_id"] for row in rows(self.output, TableName.IMAGES, "run_id")}
        runs = rows(self.output, TableName.RUNS, "scored_at", "run_id", "outcome")
        assert runs[-1]["outcome"] == "failed"
        assert runs[-1]["run_id"] not in scored

    def check_end(self) -> None:
        """Run once more without faults; check that the tables are as if there had been no fault."""
        ended = self.run()
        assert ended.code == 0, ended.err
        self.check_tables()
        found = answers(self.output)
        for table in ("images", "predictions"):
            assert found[table] == [
                row for row in self.expected[table] if row["key"] in self.delivered
            ]
        runs = [row["run_id"] for row in rows(self.output, TableName.RUNS, "run_id")]
        assert len(runs) == len(set(runs)), "a run is there twice"

    def check_tables(self) -> None:
        """Check that no row is doubled, no verdict lacks findings, and no picture is given up."""
        found = {
            table: rows(self.output, table, "key", "run_id", *more)
            for table, more in (
                (TableName.IMAGES, ("defects",)),
                (TableName.PREDICTIONS, ("class_id",)),
            )
        }
        keys = [row["key"] for row in found[TableName.IMAGES]]
        assert len(keys) == len(set(keys)), "a picture is there twice"
        findings = [(row["key"], row["class_id"]) for row in found[TableName.PREDICTIONS]]
        assert len(findings) == len(set(findings)), "a finding is there twice"
        runs = {(row["key"], row["run_id"]) for row in found[TableName.IMAGES] if row["defects"]}
        findings_of = {(row["key"], row["run_id"]) for row in found[TableName.PREDICTIONS]}
        assert runs <= findings_of, "a verdict without its findings"
        failed = rows(self.output, TableName.QUARANTINE, "key", "transient", "given_up")
        assert all(row["transient"] and not row["given_up"] for row in failed), failed


@contextmanager
def environment_of(server: Server) -> Iterator[None]:
    """Set the environment variables by which AWS's tools find a server, until the block ends."""
    open_client.cache_clear()
    with patch.dict("os.environ", server.environment):
        yield
    open_client.cache_clear()


@contextmanager
def brisk_retries() -> Iterator[None]:
    """Use quick leases, and repeat commits within a tenth of a second, until the block ends."""
    soon = patch(
        "steeldefect.tables.delta.wait_random_exponential", lambda **_: wait_random(0, 0.1)
    )
    with quick_leases(), soon:
        yield
