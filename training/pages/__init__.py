"""What the HTML pages of this module share: one that is read from disk, without a network.

`document` (the frame), `markup` (small pieces of HTML), `figures` (charts as inline SVG), `style`
(the style sheet), `palette` (colours). `training.explore` and `training.report` write pages.
"""
