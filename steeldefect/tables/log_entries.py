"""The log of a Delta table, read by this program: what its entries add and remove.

Why not by the Delta library alone: it takes an empty answer of the store for an empty entry, and an
HTML page for a listing without entries. Behind a faulty proxy it would then miss rows without an
error, and pictures would be scored again. `Store` checks each answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from steeldefect.errors import StoreUnavailableError, TableError
from steeldefect.stores import ObjectInfo, Store
from steeldefect.tables.schema import TableName

ENTRY = re.compile(r"(\d{20})\.json")
CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\..+")
_READERS = 8  # threads
_LOOK = "run `steeldefect maintain --check` to see what is wrong with the tables"


def log_folder(table: TableName) -> str:
    """Return the folder of a table's log, as a prefix of keys."""
    return f"{table.value}/_delta_log/"


def entry_key(table: TableName, version: int) -> str:
    """Return the key of one entry of a table's log."""
    return f"{log_folder(table)}{version:020d}.json"


def parse_entry(content: bytes) -> list[dict[str, Any]]:
    """Return the actions of a log entry: one JSON object per line.

    Raises:
        ValueError: the content has another form.
    """
    actions = [json.loads(line) for line in content.decode().split("\n") if line.strip()]
    if not all(isinstance(action, dict) for action in actions):
        raise ValueError("a line is not a JSON object")
    return actions


def has_entries(store: Store, table: TableName) -> bool:
    """Return whether a table's log has an entry or a checkpoint that is not empty."""
    return any(
        one.size and (_version(ENTRY, one) >= 0 or _version(CHECKPOINT, one) >= 0)
        for one in store.scan(log_folder(table))
    )


@dataclass(frozen=True)
class NewestActions:
    """What the entries after the newest checkpoint did to the data files of a table.

    Attributes:
        held: by path of a data file, as the log states it: whether the version holds it. Files
            that none of these entries names are missing.
        latest: version of the newest entry that the store lists; the opened version may be older.
    """

    held: Mapping[str, bool]
    latest: int


def newest_actions(store: Store, table: TableName, version: int) -> NewestActions:
    """Read what the entries after the newest checkpoint did, up to an opened version.

    Args:
        store: the output.
        table: table whose log is read.
        version: newest version whose entry counts.

    Raises:
        TableError: an entry is empty or damaged.
        StoreError: the store refused, or does not answer.
    """
    listed = list(store.scan(log_folder(table)))
    whole = [at for one in listed if one.size and (at := _version(CHECKPOINT, one)) <= version]
    begin = max(whole, default=-1)
    entries = {at: one for one in listed if (at := _version(ENTRY, one)) > begin}
    counting = sorted(at for at in entries if at <= version)
    where = f"table {store.uri}/{table.value}"
    if any(entries[at].size == 0 for at in counting):
        raise TableError(f"{where}: an entry of its log is empty; {_LOOK}")
    with ThreadPoolExecutor(_READERS, "log") as pool:
        contents = pool.map(lambda at: store.read(entries[at].key), counting)
        try:
            held = _outcome(map(parse_entry, contents))
        except (ValueError, LookupError, TypeError):
            raise TableError(f"{where}: an entry of its log is damaged; {_LOOK}") from None
    return NewestActions(held, max(entries, default=version))


def require_whole(uri: str, paths: Iterable[str], newest: NewestActions) -> None:
    """Check a list of a table's data files against what the log's newest entries did.

    Args:
        uri: address of the table, for the message.
        paths: paths of the data files, as the Delta library lists them.
        newest: see `newest_actions`.

    Raises:
        StoreUnavailableError: the Delta library has missed entries of the log.
    """
    listed = set(paths)
    if any(held != (path in listed) for path, held in newest.held.items()):
        raise StoreUnavailableError(_incomplete(f"table {uri}"))


def _incomplete(where: str) -> str:
    return (
        f"{where}: the store showed a log without some of its entries; check the store, and "
        "proxies in front of it; start again"
    )


def _outcome(entries: Iterable[list[dict[str, Any]]]) -> dict[str, bool]:
    """Return the last state of each file; one entry may remove a file and add it, in any order."""
    state: dict[str, bool] = {}
    for actions in entries:
        for kind, held in (("remove", False), ("add", True)):
            state |= {action[kind]["path"]: held for action in actions if action.get(kind)}
    return state


def _version(kind: re.Pattern[str], one: ObjectInfo) -> int:
    """Return the version in the name of an entry or checkpoint; -1 for other objects."""
    name = kind.fullmatch(one.key.rpartition("/")[2])
    return int(name[1]) if name else -1
