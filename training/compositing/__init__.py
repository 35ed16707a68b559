"""Make labelled pictures from what a plant has: few labelled pictures, many others, and masks.

Use it when there are too few labelled pictures to train on. Defects are cut out of labelled
pictures and blended into clean steel, so they look as the plant's cameras see them. Where no
picture shows a class, `training.synthetic` draws its look. Scores on such pictures say nothing
about a plant: they show the same defects again and again.

    >>> from pathlib import Path
    >>> from training.compositing import Order, make_pictures
    >>> order = Order(pictures=400, like=Path("data/plant"), split_file=Path("split.csv"))
    >>> make_pictures(Path("data/made"), order)  # doctest: +SKIP

A picture is made in steps, one module each:

    sources     what may be used: pictures of the train part, textures, masks
    layouts     which defects a picture shows, and where: as in one labelled picture or mask row
    textures    the clean steel
    screening   which unlabelled pictures count as clean
    regions     defects of a labelled picture that lie close together
    donors      cut a region out, with its contrast to the steel around it
    invented    draw the look of a class that no picture shows
    filling     give the look of a donor to a mask of another shape
    placing     find a free place on the steel
    poisson     blend gray levels without a seam
    composer    one whole picture
    order       what is asked for
    made        a folder of pictures, with labels, groups and record
"""

from __future__ import annotations

from training.compositing.made import make_pictures
from training.compositing.order import Order

__all__ = ["Order", "make_pictures"]
