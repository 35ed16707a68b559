"""What a split is made of: parts and folds, who stays together, files, and the check.

`parts` (the pictures divided), `division` (dividing them), `views` (near-duplicates), `files`
(written once, used by many fits), `overlap` (what no split may have). `splitting.split` is the
door.
"""
