"""Shared parts of the HTML pages. The pages open from disk and need no network.

`document` (the frame), `markup` (small pieces of HTML), `figures` (charts as inline SVG), `style`
(the style sheet), `palette` (colours). `steeldefect.report`, `training.explore` and
`training.report` write pages.
"""
