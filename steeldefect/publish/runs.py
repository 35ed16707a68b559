"""The run record: one row of `runs` for each run of a job."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum

from steeldefect.secrets import masked
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import Origin, whole_rows
from steeldefect.tables.schema import TableName
from steeldefect.versions import versions


class Outcome(str, Enum):
    """How a run ended; `running` until it ends, and forever if its driver was killed."""

    RUNNING = "running"
    SUCCESS = "success"
    NOTHING_NEW = "nothing_new"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class RunRecord:
    """A row of `runs` without provenance and versions; see `steeldefect.tables.schema`."""

    job: str
    source: str
    outcome: Outcome
    seconds: float
    settings: str = "{}"
    classes: str = "{}"
    error: str | None = None
    planned: int = 0
    skipped: int = 0
    scored: int = 0
    quarantined: int = 0
    defective: int = 0
    waves: int = 0
    pictures_per_second: float = 0.0
    stage_seconds: str = "{}"
    engine: str = "{}"
    thresholds: str | None = None
    shadow_of: str | None = None


def record_run(tables: Tables, origin: Origin, record: RunRecord) -> None:
    """Write the row of a run to the table `runs`, and replace the run's earlier row."""
    row = asdict(record) | {
        "outcome": record.outcome.value,
        "versions": json.dumps(versions()),
        "error": None if record.error is None else masked(record.error),
        "settings": masked(record.settings),
    }
    rows = whole_rows(TableName.RUNS, [row], origin)
    tables.replace(TableName.RUNS, rows, {"run_id": origin.run_id})


def new_run_id(began: datetime) -> str:
    """Return a new run id: the start (UTC) and a random tail, so that ids sort by time."""
    return f"{began:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
