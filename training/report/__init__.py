"""The training report: what came of a fit, as one HTML file that needs nothing beside it.

    text = write_report(Report(manifest, history, held_out, curves, pictures, found))

`contents` (what it is made from), `headline` and `doubts` (the first screen), `learning`, `gate`,
`segmenter`, `outlines`, `record` (one section each, with their charts in `learning_charts`,
`gate_charts` and `class_charts`, and the choice of pictures in `examples`), `page` (all of it).
"""

from training.report.contents import Report
from training.report.page import write_report

__all__ = ["Report", "write_report"]
