"""The run record: one row of `runs` for each run of a job."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import pandas as pd
import pyarrow as pa

from steeldefect.commit import Tables
from steeldefect.parts import Origin
from steeldefect.tables import SCHEMAS, TableName

_LIBRARIES = (
    "steeldefect",
    "pyspark",
    "tensorflow",
    "keras",
    "openvino",
    "deltalake",
    "pyarrow",
    "opencv-python-headless",
    "pillow",
    "numpy",
    "boto3",
)


class Outcome(str, Enum):
    """How a run ended; `running` until then, and for good where its driver was killed."""

    RUNNING = "running"

    SUCCESS = "success"
    NOTHING_NEW = "nothing_new"
    FAILED = "failed"


@dataclass(frozen=True)
class RunRecord:
    """The columns of `runs`, less provenance and versions; see `steeldefect.tables`."""

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
    took: str = "{}"


def record_run(tables: Tables, origin: Origin, record: RunRecord) -> None:
    """Write one run to the table `runs`, in place of what was written of it before."""
    row = asdict(record) | {"outcome": record.outcome.value, "versions": json.dumps(versions())}
    rows = driver_rows(TableName.RUNS, [row], origin)
    tables.replace(TableName.RUNS, rows, {"run_id": origin.run_id})


def new_run_id(began: datetime) -> str:
    """Name a run by its start (UTC) and a random tail: unique, and sorted by time."""
    return f"{began:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def driver_rows(table: TableName, rows: list[dict[str, Any]], origin: Origin) -> pa.Table:
    """Join rows that the driver writes with their provenance, in the table's whole schema."""
    return pa.Table.from_pylist([row | origin.columns for row in rows], SCHEMAS[table].columns)


def driver_frame(table: TableName, frame: pd.DataFrame, origin: Origin) -> pa.Table:
    """Do as `driver_rows` for many rows, column by column."""
    provenance = origin.columns
    schema = SCHEMAS[table].columns
    columns = [
        pa.repeat(pa.scalar(provenance[field.name], field.type), len(frame))
        if field.name in provenance
        else pa.array(frame[field.name], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a number can depend on."""
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
