"""The morning page: what a night found, what changed, what needs eyes, how far to trust it.

`report` (the steps), `runs` (the nights), `questions` (every figure's SQL), `facts` (the answers
of one night), `usual` (what changed), `verdict` (the sentence), `chosen` (which pictures), `plates`
and `on_spark` (drawing them), `coils` and `strip_map`, `trust`, `charts`, `pages` (HTML),
`destination` (files).
"""
