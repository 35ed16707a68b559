"""Replace data files of a table by others, safely beside other writers."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Sequence

from deltalake.exceptions import CommitFailedError

from steeldefect.errors import OutputBusyError
from steeldefect.tables.commits import add_action, named_commit, remove_action
from steeldefect.tables.data_files import DataFile, data_files
from steeldefect.tables.delta import Tables
from steeldefect.tables.parts import Part
from steeldefect.tables.schema import PARTITION, TableName

_OUTRUN = 20  # tries of an exchange; a try fails if another process commits first


def exchange_files(
    tables: Tables,
    table: TableName,
    removed: Sequence[DataFile],
    added: Sequence[Part],
    data_change: bool,
) -> None:
    """Replace data files of a table by others, in one commit; the old files stay on the store.

    The Delta library does not look for conflicts in a commit of lists of files: two processes
    that compact the same files at the same time would duplicate their rows. So this commit
    succeeds only if the version just before it still holds all removed files.

    Args:
        tables: of the output.
        table: table that the files belong to.
        removed: data files of the table's newest version.
        added: new parts.
        data_change: whether the rows change, as the table's log states it: false if the new
            files hold the same rows as the old files.

    Raises:
        OutputBusyError: another process has removed one of the files meanwhile, or others
            commit to the table all the time; nothing was replaced.
        TableError, StoreUnavailableError: the commit failed; retries did not help.
    """
    name = f"exchange-{uuid.uuid4().hex}"
    actions = [remove_action(file, data_change) for file in removed]
    actions += [add_action(part, data_change) for part in added]
    where = tables.store.delta_uri(table.value)

    def committed() -> bool:
        delta = tables.create(table)
        if delta.transaction_version(name) is not None:
            return True
        if not {file.path for file in removed} <= {
            file.path for file in data_files(tables.store, table, delta)
        }:
            raise OutputBusyError(
                f"another program changed the files of {where} at the same time; start again"
            )
        try:
            delta.create_write_transaction(
                actions,
                mode="append",
                schema=delta.schema(),
                partition_by=[PARTITION],
                commit_properties=named_commit(name, 1, max_commit_retries=0),
            )
        except CommitFailedError:
            return False  # another process committed first
        tables.require_commit(table, delta, name)
        return True

    for _ in range(_OUTRUN):
        if tables.retried(table, committed):
            return
        time.sleep(random.uniform(0, 0.5))  # noqa: S311
    raise OutputBusyError(f"other programs commit to {where} all the time; start again later")
