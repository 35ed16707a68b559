"""Splits of labelled pictures into train, validation and test parts, or into folds.

`parts` (the classes for parts and folds), `division` (divides pictures), `views` (finds
near-duplicates), `files` (reads and writes split files), `overlap` (checks that parts do not
overlap). Other packages import from `splitting.split`.
"""
