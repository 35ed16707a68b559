"""Learn from the archive: confident answers of a bundle become training pictures.

Use it when few pictures are labelled, and many are scored. Pseudo-labels repeat what the bundle
believes, also where it is wrong: only held-out pictures that people labelled say whether a fit with
them is better.

    >>> from pathlib import Path
    >>> from training.pseudo_labels import PseudoOrder, pseudo_label
    >>> order = PseudoOrder("s3://plant/tables", "3f9c", Path("data"), models=Path("models/b1"))
    >>> pseudo_label(Path("pseudo"), order)  # doctest: +SKIP

A folder is made in steps, one module each:

    order         what is asked for
    candidates    the answers in the tables
    judge         what answers are judged by
    measure       the bundle's answers on labelled pictures: which are right
    evidence      how sure an answer must be
    choose        what becomes of a picture: a label, or a reason to skip it
    turns         which picture is next, so that rare classes are not drowned
    known         pictures that must not be taken
    mirrors       whether mirrored copies get the same answer
    written       the files of the folder
    labelling     the whole
"""

from __future__ import annotations

from training.pseudo_labels.labelling import PseudoLabelled, pseudo_label
from training.pseudo_labels.order import PseudoOrder

__all__ = ["PseudoLabelled", "PseudoOrder", "pseudo_label"]
