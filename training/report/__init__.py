"""The training report: the results of a fit as one HTML file, without other files.

    text = write_report(Report(manifest, history, held_out, curves, pictures, found))

`contents` holds the data of the report. `headline` and `doubts` write the first screen. `learning`,
`gate`, `segmenter`, `outlines` and `record` write one section each. Their charts are in
`learning_charts`, `gate_charts` and `class_charts`; `examples` chooses the pictures. `page` joins
all of it.
"""

from training.report.contents import Report
from training.report.page import write_report

__all__ = ["Report", "write_report"]
