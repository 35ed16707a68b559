"""Write the report as one HTML text that needs no network and no other file."""

from __future__ import annotations

from steeldefect.pages.document import Document, Section
from training.report.contents import Report
from training.report.doubts import doubts
from training.report.gate import gate
from training.report.guarantees import guarantees
from training.report.headline import beginning, figures
from training.report.learning import learning
from training.report.outlines import STYLE as OUTLINES
from training.report.outlines import outlines
from training.report.record import compiled, provenance
from training.report.segmenter import segmenter

_STYLE = """
.matrix { width: auto; }
.matrix th, .matrix td { border: 1px solid var(--line); text-align: center; padding: 10px 16px;
  vertical-align: middle; }
.matrix td { width: 150px; }
.dense th { white-space: normal; vertical-align: bottom; }
.dense th, .dense td { padding: 6px 8px; }
.matrix td b { font-size: 20px; display: block; }
.matrix td span { color: var(--soft); font-size: 13px; }
pre { background: var(--ground); padding: 14px 16px; border-radius: 6px; overflow-x: auto;
  font-size: 13px; line-height: 1.4; }
summary { cursor: pointer; font-weight: 600; }
"""
_FOOT = (
    "Held-out pictures were not used for fitting or for choosing thresholds. Written by "
    "<code>python -m training fit</code>."
)


def write_report(report: Report) -> str:
    """Write the report as HTML.

    Raises:
        DataError: a held-out picture cannot be read.
        StoreError: a picture cannot be encoded.
    """
    page = Document(
        title=f"Training report: {report.manifest.training.recipe_name}",
        beginning=beginning(report),
        cards=figures(report),
        sections=[
            Section("doubts", "What is in doubt", doubts(report)),
            Section("learning", "Learning curves", learning(report)),
            Section("gate", "Gate", gate(report)),
            Section("segmenter", "Segmenter", segmenter(report)),
            Section("guarantees", "Guarantees", guarantees(report)),
            Section("pictures", "Pictures", outlines(report)),
            Section("compiled", "Forms for CPUs", compiled(report)),
            Section("provenance", "Provenance", provenance(report)),
        ],
        foot=_FOOT,
        style=_STYLE + OUTLINES,
    )
    return page.to_html()
