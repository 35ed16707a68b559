"""Describe a folder of labelled pictures on one page, before training.

    python -m training explore --data DIR --out DIR

The modules in the order in which they run: `source` reads the files. `pictures` and `masks` measure
them. `splitting.duplicates` finds duplicates. `faults` and `checks` find contradictions. `findings`
holds all results. `statistics` makes tables, `charts` and `drawings` make pictures, `page` writes
HTML. `run` calls all of them. `training.data.dataset` stops at the first kind of contradiction;
this package lists all of them.
"""
