"""Tell a lineage server what a run reads and writes: OpenLineage events, through its own client.

Where events go is configured as the client documents it (`OPENLINEAGE_URL`, `openlineage.yml`). A
server that refuses events or hangs never ends a run and never holds it up for longer than
`_SECONDS` an event: the event is lost, and a warning says so.

The id of an OpenLineage run is a UUID. It is the UUID of version 5 of the name
`steeldefect:RUN` in the namespace for URLs, so whoever knows the run's id can compute it.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from steeldefect.addresses import is_s3, local_folder, s3_address
from steeldefect.errors import SettingsError
from steeldefect.exit_codes import ExitCode
from steeldefect.program.command import exit_code_of
from steeldefect.program.tracebacks import described
from steeldefect.publish.runs import RunRecord
from steeldefect.secrets import masked
from steeldefect.tables.schema import COMMIT_ORDER, SCHEMAS, TableName
from steeldefect.versions import versions

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset, Run

_LOG = logging.getLogger(__name__)

NAMESPACE = "steeldefect"
"""Namespace of the job; its name is `score`, and the address of the tables."""

_SECONDS = 15.0
_PACKAGE = "openlineage.client"
_TABLES = (*COMMIT_ORDER, TableName.RUNS)


@dataclass(frozen=True)
class RunFacts:
    """What the events of a run name.

    Attributes:
        run_id: its id in the tables.
        source: address of the pictures.
        bundle_uri, bundle: address of the bundle, and its digest.
        output: address of the tables.
        shadow_uri, shadow: the same of the shadow's bundle; None without one.
    """

    run_id: str
    source: str
    bundle_uri: str
    bundle: str
    output: str
    shadow_uri: str | None = None
    shadow: str | None = None


class Lineage:
    """The events of one run. If nobody wants them, nothing is sent.

    Attributes:
        record: row of `runs` so far, for the numbers of the last event; None before the first wave.
    """

    def __init__(self, wanted: bool) -> None:
        """Open the client, if events are wanted."""
        self.record: RunRecord | None = None
        self._facts: RunFacts | None = None
        self._client: Any = None
        if wanted:
            from openlineage.client import OpenLineageClient

            self._client = OpenLineageClient()

    def start(self, facts: RunFacts) -> None:
        """Send that a run has begun."""
        self._facts = facts
        self._send("START", None)

    def end(self, error: BaseException | None) -> None:
        """Send that the run has ended; nothing if it had not begun.

        Args:
            error: what ended it; None if it did all that it had planned.
        """
        if self._facts is None:
            return
        if error is None:
            self._send("COMPLETE", None)
            return
        interrupted = exit_code_of(error) is ExitCode.INTERRUPTED
        self._send("ABORT" if interrupted else "FAIL", masked(described(error)))

    def _send(self, state: str, problem: str | None) -> None:
        if self._client is None or self._facts is None:
            return
        facts, record = self._facts, self.record
        _within(lambda: self._client.emit(_event(facts, record, state, problem)), state)


@contextmanager
def lineage_told(*, wanted: bool) -> Iterator[Lineage]:
    """Yield the events of a run, and send the last one when the block ends, with or without error.

    Args:
        wanted: whether events are sent.

    Raises:
        SettingsError: the extra `lineage` is not installed, or its configuration is wrong.
    """
    if wanted and importlib.util.find_spec("openlineage") is None:
        raise SettingsError(
            '--lineage needs the extra "lineage": pip install "steeldefect[lineage]"'
        )
    try:
        lineage = Lineage(wanted)
    except Exception as error:  # the client raises many kinds for a wrong configuration
        raise SettingsError(f"--lineage: {described(error)}; see OpenLineage's client") from None
    try:
        yield lineage
    except BaseException as error:
        lineage.end(error)
        raise
    lineage.end(None)


def openlineage_id(run_id: str) -> str:
    """Return the id that a run has in OpenLineage.

    >>> openlineage_id("20261128T013000-5c1f9a02")
    'edf566dc-537e-5e7d-927e-8a479781cdee'
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"steeldefect:{run_id}"))


def _within(send: Callable[[], None], state: str) -> None:
    """Send in a thread, and wait for a bounded time."""
    failures: list[Exception] = []

    def work() -> None:
        try:
            send()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=work, name="lineage", daemon=True)
    retries = logging.getLogger("urllib3.connectionpool")  # one warning is enough for an event
    level = retries.level
    retries.setLevel(logging.ERROR)
    thread.start()
    thread.join(_SECONDS)
    retries.setLevel(level)
    if thread.is_alive():
        _LOG.warning("the lineage server did not take event %s within %g s", state, _SECONDS)
    elif failures:
        _LOG.warning("lineage event %s is lost: %s", state, described(failures[0]))


def _event(facts: RunFacts, record: RunRecord | None, state: str, problem: str | None) -> Any:
    from openlineage.client.event_v2 import Job, RunEvent, RunState

    version = versions()["steeldefect"]
    return RunEvent(
        eventType=RunState[state],
        eventTime=datetime.now(UTC).isoformat(),
        run=_run(facts, problem, version),
        job=Job(namespace=NAMESPACE, name=f"score {facts.output}"),
        inputs=_inputs(facts, record),
        outputs=[_output(facts, table, record) for table in _TABLES],
        producer=f"urn:steeldefect:{version}",
    )


def _run(facts: RunFacts, problem: str | None, version: str) -> Run:
    from openlineage.client.event_v2 import Run
    from openlineage.client.facet_v2 import error_message_run, processing_engine_run, tags_run

    tagged = [tags_run.TagsRunFacetFields(key="run_id", value=facts.run_id, source=NAMESPACE)]
    facets: dict[str, Any] = {
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
            version=version, name="steeldefect"
        ),
        "tags": tags_run.TagsRunFacet(tags=tagged),
    }
    if problem is not None:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            message=problem, programmingLanguage="Python"
        )
    return Run(runId=openlineage_id(facts.run_id), facets=facets)


def _inputs(facts: RunFacts, record: RunRecord | None) -> list[InputDataset]:
    """Return the archive and the bundles as datasets."""
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.facet_v2 import dataset_version_dataset, input_statistics_input_dataset

    namespace, name = dataset_name(facts.source)
    read = {}
    if record is not None:
        read["inputStatistics"] = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
            fileCount=record.scored + record.quarantined
        )
    found = [InputDataset(namespace=namespace, name=name, inputFacets=read)]
    for uri, digest in ((facts.bundle_uri, facts.bundle), (facts.shadow_uri, facts.shadow)):
        if uri is not None and digest is not None:
            namespace, name = dataset_name(uri)
            version = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=digest)
            found.append(InputDataset(namespace=namespace, name=name, facets={"version": version}))
    return found


def _output(facts: RunFacts, table: TableName, record: RunRecord | None) -> OutputDataset:
    """Return a table as a dataset, with its columns, and its new rows where they are counted."""
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset, schema_dataset

    namespace, name = dataset_name(f"{facts.output.rstrip('/')}/{table.value}")
    fields = [
        schema_dataset.SchemaDatasetFacetFields(
            name=one.name,
            type=str(one.type),
            description=(one.metadata or {}).get(b"comment", b"").decode() or None,
        )
        for one in SCHEMAS[table].columns
    ]
    rows = {}
    counted = None if record is None else _rows(record).get(table)
    if counted is not None:
        rows["outputStatistics"] = (
            output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=counted)
        )
    return OutputDataset(
        namespace=namespace,
        name=name,
        facets={"schema": schema_dataset.SchemaDatasetFacet(fields=fields)},
        outputFacets=rows,
    )


def _rows(record: RunRecord) -> dict[TableName, int]:
    return {TableName.IMAGES: record.scored, TableName.QUARANTINE: record.quarantined}


def dataset_name(uri: str) -> tuple[str, str]:
    """Return namespace and name of an address, as OpenLineage's naming asks for them.

    >>> dataset_name("s3://plant/archive/2026"), dataset_name("/data/archive")
    (('s3://plant', 'archive/2026'), ('file', '/data/archive'))
    """
    if is_s3(uri):
        bucket, prefix = s3_address(uri)
        return f"s3://{bucket}", prefix.strip("/") or "/"
    return "file", str(local_folder(uri).resolve())
