"""Wave records: what one wave adds to the tables, written down before it is added.

    _waves/RUN-000001.json    written once, deleted when every table has the wave's files

A record on the store means that its wave is decided; see `steeldefect.publish.commit`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from steeldefect.errors import StoreError, TableError
from steeldefect.stores import Store
from steeldefect.tables.parts import Part

RECORDS = "_waves/"


@dataclass(frozen=True)
class WaveRecord:
    """The files of one wave.

    Attributes:
        run_id: of the run that scored it.
        wave: counts from 1 within the run.
        parts: the files.
        holder: number of the lease under which it was decided; see `steeldefect.publish.lease`.
    """

    run_id: str
    wave: int
    parts: list[Part] = field(default_factory=list)
    holder: int = 0

    @property
    def key(self) -> str:
        """Where the record lies in the output."""
        return f"{RECORDS}{self.run_id}-{self.wave:06d}.json"


_RECORD = TypeAdapter(WaveRecord)


def write_record(store: Store, record: WaveRecord) -> None:
    """Write a record in one atomic, conditional request.

    Raises:
        AlreadyExistsError: the record exists.
        StoreError: the store refused.
    """
    store.write_new(record.key, record_to_json(record))


def record_to_json(record: WaveRecord) -> bytes:
    """Return a record as it lies on the store."""
    return _RECORD.dump_json(record)


def pending_records(store: Store) -> list[str]:
    """List the records of waves that are decided, but maybe not yet in every table.

    Returns:
        Their keys, the waves of a run in their order.
    """
    names = (found.key.removeprefix(RECORDS) for found in store.scan(RECORDS))
    return sorted(RECORDS + name for name in names if name.endswith(".json") and "/" not in name)


def read_record(store: Store, key: str) -> WaveRecord | None:
    """Read a record; None where its writer has carried it out and deleted it meanwhile.

    Raises:
        TableError: the file is not a wave record, or its version is unknown.
    """
    try:
        content = store.read(key)
    except StoreError:
        if key in pending_records(store):
            raise
        return None
    try:
        return _RECORD.validate_json(content)
    except ValidationError:
        raise TableError(
            f"{store.uri}/{key} is not a wave record, or its version is unknown; complete it with "
            "the version that wrote it, or, if it is empty or damaged, `steeldefect maintain "
            "--repair` removes it and its pictures are scored again"
        ) from None
