"""Wave records: the parts that one wave adds to the tables, recorded before they are added.

    _waves/RUN-000001.json    written once, deleted when every table has the wave's parts

If its writer still held the output after it wrote the record, the wave is decided; see
`steeldefect.publish.commit`.
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
    """The parts of one wave.

    Attributes:
        run_id: id of the run that scored the wave.
        wave: number of the wave within the run, from 1.
        parts: parts that the wave's tasks wrote.
        holder: number of the lease under which the record was written; see
            `steeldefect.publish.lease`.
    """

    run_id: str
    wave: int
    parts: list[Part] = field(default_factory=list)
    holder: int = 0

    @property
    def key(self) -> str:
        """Key of the record in the output."""
        return f"{RECORDS}{self.run_id}-{self.wave:06d}.json"


_RECORD = TypeAdapter(WaveRecord)


def write_record(store: Store, record: WaveRecord) -> None:
    """Write a wave record in one atomic, conditional request.

    Raises:
        AlreadyExistsError: the record exists already.
        StoreError: the store refused.
    """
    store.write_new(record.key, record_to_json(record))


def record_to_json(record: WaveRecord) -> bytes:
    """Return the bytes of a wave record as the store holds them."""
    return _RECORD.dump_json(record)


def pending_records(store: Store) -> list[str]:
    """List the wave records of an output: waves that may not be in every table yet.

    Returns:
        Keys of the records; the waves of a run are in their order.
    """
    names = (found.key.removeprefix(RECORDS) for found in store.scan(RECORDS))
    return sorted(RECORDS + name for name in names if name.endswith(".json") and "/" not in name)


def read_record(store: Store, key: str) -> WaveRecord | None:
    """Read a wave record; None if it does not exist any more.

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
            "the version that wrote it; if it is empty or damaged, run `steeldefect maintain "
            "--repair`: it sets the record aside, and the wave's pictures are scored again"
        ) from None
