"""The folder or S3 prefix that holds the pages: which nights it has, and how files get there."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from steeldefect.stores import Store

INDEX = "index.html"
NIGHTS, COILS, PICTURES = "nights", "coils", "pictures"
_ENDING = ".html"
_WRITERS = 8


def night_path(run_id: str) -> str:
    """Return the path of a night's page."""
    return f"{NIGHTS}/{run_id}{_ENDING}"


def nights_with_pages(store: Store) -> frozenset[str]:
    """Return the ids of the runs that have a page."""
    keys = (one.key for one in store.scan(f"{NIGHTS}/"))
    return frozenset(
        key.removeprefix(f"{NIGHTS}/").removesuffix(_ENDING)
        for key in keys
        if key.endswith(_ENDING)
    )


def write_files(store: Store, files: Mapping[str, bytes]) -> None:
    """Write files in threads, each in one step.

    Raises:
        StoreError: a file cannot be written.
    """
    with ThreadPoolExecutor(_WRITERS) as pool:
        for _ in pool.map(lambda one: store.write(*one), files.items()):
            pass


def delete_others(store: Store, folder: str, kept: Mapping[str, bytes]) -> None:
    """Delete files of an earlier report of the same night that the new one does not have."""
    for one in list(store.scan(f"{folder}/")):
        if one.key not in kept:
            store.delete(one.key)
