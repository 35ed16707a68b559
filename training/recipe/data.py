"""Settings of the pictures that a fit uses beside those of its data folder."""

from __future__ import annotations

from pydantic import Field, field_validator

from training.recipe.part import RecipePart


class ExtraPictures(RecipePart):
    """A data folder whose pictures join the train part, and no other part.

    `folder`: a data folder as `training.data.dataset` reads it; a relative path begins at the
    current folder. `weight`: how often one of its pictures is drawn, compared with a picture of
    the train part: 0.5 is half as often. A file `weights.csv` in the folder multiplies it
    for single pictures.
    """

    folder: str = Field(min_length=1)
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)


class Teacher(RecipePart):
    """A bundle whose class maps the segmenter learns beside the masks (distillation).

    `bundle`: its folder. `share`: weight of its class maps; the masks have the rest.
    """

    bundle: str = Field(min_length=1)
    share: float = Field(default=0.5, gt=0, le=1)


class Unlabelled(RecipePart):
    """Pictures without labels, which the segmenter learns from its own average (mean teacher).

    `folder`: a folder of pictures, or one with a folder `images` of pictures. `share`: share of
    them in what the segmenter is shown. `begin`: share of the fit before they are shown; the
    average of a segmenter that begins with random weights knows nothing at first.
    """

    folder: str = Field(min_length=1)
    share: float = Field(default=0.5, gt=0, lt=1)
    begin: float = Field(default=0.3, ge=0, lt=1)


class Data(RecipePart):
    """`teacher`: None: the segmenter learns from masks alone (`training.fitting.teacher`).

    `extra`: folders of further pictures to train on, such as generated or doubtful ones.

    A fit refuses them if one shows what a validation or test picture shows
    (`training.splitting.extra`).

    `unlabelled`: None: the segmenter learns from labelled pictures alone
    (`training.fitting.mean_teacher`). Those that show what a validation or test picture shows are
    left out.
    """

    extra: tuple[ExtraPictures, ...] = ()
    teacher: Teacher | None = None
    unlabelled: Unlabelled | None = None

    @field_validator("extra")
    @classmethod
    def _each_once(cls, extra: tuple[ExtraPictures, ...]) -> tuple[ExtraPictures, ...]:
        folders = [one.folder for one in extra]
        twice = sorted({folder for folder in folders if folders.count(folder) > 1})
        if twice:
            raise ValueError(f"a folder is listed twice: {', '.join(twice)}; set its weight")
        return extra
