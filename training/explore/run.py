"""Explore a folder: read, measure and check it, then write the page and the tables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from steeldefect.errors import StoreError
from training.explore import statistics
from training.explore.drawings import draw
from training.explore.findings import find
from training.explore.page import write_page
from training.explore.source import ExploreOptions, read_source


@dataclass(frozen=True)
class Explored:
    """The result of exploring a folder.

    Attributes:
        page: path of the HTML file.
        headline: main figures.
        faults: number of faults.
    """

    page: Path
    headline: statistics.Headline
    faults: int

    def __str__(self) -> str:
        """Return the main figures and the path of the page, in two lines."""
        head = self.headline
        return (
            f"{head.pictures:,} pictures: {head.defective:,} defective, {head.clean:,} clean, "
            f"{head.unsaid:,} not stated; {head.mask_rows:,} masks; {self.faults:,} faults\n"
            f"{self.page}"
        )


def explore(options: ExploreOptions, out: Path) -> Explored:
    """Explore a folder and write `out/index.html`, its pictures, and a CSV file for each table.

    Raises:
        DataError: the folder is missing or empty, or a label file cannot be read or lacks a
            column. Wrong contents of rows raise no error: they become faults.
        StoreError: `out` cannot be written.
    """
    source = read_source(options)
    _make(out)
    findings = find(source)
    tables = statistics.tabulate(findings)
    try:
        for name, table in tables.items():
            table.to_csv(out / f"{name}.csv", index=False, float_format="%.6g")
        page = write_page(findings, tables, draw(findings, out), out)
    except OSError as error:
        raise StoreError(f"cannot write {error.filename or out}: {error.strerror}") from None
    return Explored(page, statistics.headline(findings), len(findings.faults))


def _make(out: Path) -> None:
    """Create `out`, and check that it is writable before the long work begins."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {out}: {error.strerror}") from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise StoreError(f"cannot write into {out}; give another --out")
