"""Write the page that describes a data set before training.

The page opens from disk without a network: charts are inline SVG, pictures are files beside it.
"""

from __future__ import annotations

from pathlib import Path

from steeldefect.pages import markup
from steeldefect.pages.document import Document, Section
from steeldefect.pages.markup import Column, counts, paragraph, texts
from training.explore import label_sections, picture_sections
from training.explore.drawings import Drawings
from training.explore.faults import RULES
from training.explore.findings import Findings
from training.explore.statistics import Tables, headline

_FOOT = (
    "Run lengths are Kaggle's: column-major, 1-based. Written by "
    "<code>python -m training explore</code>."
)


def write_page(findings: Findings, tables: Tables, drawings: Drawings, out: Path) -> Path:
    """Write `out/index.html` and return its path.

    Raises:
        OSError: the file cannot be written.
    """
    sections = [
        Section("faults", "Faults", label_sections.faults(findings)),
        Section("labels", "Defective against clean", label_sections.labels(findings, tables)),
        Section("classes", "Classes", label_sections.classes(findings, tables)),
        Section("areas", "Mask areas", label_sections.areas(findings, tables)),
        Section("places", "Where each class lies", label_sections.places(findings)),
        Section("pictures", "Sizes and brightness", picture_sections.pictures(findings, tables)),
        Section("duplicates", "Duplicates", picture_sections.duplicates(findings, drawings)),
        Section("samples", "Samples", picture_sections.samples(findings, drawings)),
        Section("tables", "Tables", _files(tables)),
    ]
    page = Document(
        title=f"Data set {findings.source.options.folder.resolve().name}",
        beginning=_read(findings),
        cards=_cards(findings),
        sections=sections,
        foot=_FOOT,
    )
    path = out / "index.html"
    path.write_text(page.to_html(), encoding="utf-8")
    return path


def _read(findings: Findings) -> str:
    """Return the list of files that were read, and notes on missing files."""
    source = findings.source
    files = [table.path.name for table in (source.masks, source.labels, source.groups) if table]
    there = [f"{len(source.pictures):,} pictures"] if source.pictures else []
    parts = [paragraph(f"Read: {', '.join(there + files)}.", "soft")]
    if not source.pictures:
        without = "sizes, brightness, duplicates and samples are left out"
        if source.options.shape is None:
            without += (
                ", and so are places and shares; give the size of the pictures by --picture-size "
                "WIDTHxHEIGHT to show these"
            )
        parts.append(paragraph(f"No pictures under images/: {without}.", "note"))
    if source.masks is None:
        parts.append(paragraph("No masks file (--masks FILE): classes are unknown.", "note"))
    if source.labels is None:
        assumed = "pictures with a mask count as defective"
        if source.pictures:
            assumed += ", all others as clean"
        if source.masks is None:
            assumed = "it is unknown which pictures are defective"
        parts.append(paragraph(f"No labels file (--labels FILE): {assumed}.", "note"))
    return "".join(parts)


def _cards(findings: Findings) -> str:
    head = headline(findings)
    stops = sum(RULES[one.kind].stops_fit for one in findings.faults)
    copies = sum(len(one.names) for one in findings.duplicates)
    apart = head.label_rows not in (0, head.pictures)
    rows = f" in {head.label_rows:,} label rows" if apart else ""
    share = f"{100 * head.defective / max(1, head.pictures):.1f}% of all pictures"
    cards = [
        markup.card(f"{head.pictures:,}", f"pictures{rows}"),
        markup.card(f"{head.defective:,}", f"defective pictures, {share}"),
        markup.card(f"{head.clean:,}", "clean pictures"),
        markup.card(f"{head.mask_rows:,}", f"masks of {len(findings.class_names)} classes"),
    ]
    if findings.pictures:
        meaning = f"pictures that have duplicates, in {len(findings.duplicates):,} sets"
        cards.append(markup.card(f"{copies:,}", meaning, "bad" if copies else "good"))
    meaning = f"faults; {stops:,} of them stop a fit" if findings.faults else "faults"
    style = "bad" if stops else ("" if findings.faults else "good")
    cards.append(markup.card(f"{len(findings.faults):,}", meaning, style))
    return markup.cards(cards)


def _files(tables: Tables) -> str:
    columns = [
        Column("file", [f'<a href="{name}.csv">{name}.csv</a>' for name in tables], "name"),
        Column("rows", counts(len(table) for table in tables.values())),
        Column("columns", texts(", ".join(table.columns) for table in tables.values()), "wrap"),
    ]
    return markup.table(columns)
