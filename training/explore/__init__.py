"""What lies in a folder of labelled pictures, as one page, before anybody trains on it.

    python -m training explore --data DIR --out DIR

In the order it runs: `source` (the files), `pictures` and `masks` (measured one by one),
`splitting.duplicates`, `faults` and `checks` (what contradicts what), `findings` (all of that in
one place), `statistics` (tables), `charts` and `drawings` (pictures), `page` (HTML), `run` (all
of it). `training.data.dataset` refuses a folder at its first contradictions; this lists them all.
"""
