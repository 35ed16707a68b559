"""The kinds of fault that a data folder can have, and what to do about each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FaultKind(str, Enum):
    """What is wrong; `RULES` says more of each."""

    PICTURE_UNREADABLE = "picture unreadable"
    MASK_MALFORMED = "mask malformed"
    MASK_OUT_OF_BOUNDS = "mask out of bounds"
    CLASS_ID_MALFORMED = "class id malformed"
    CLASS_UNNAMED = "class without a name"
    MASK_REPEATED = "mask repeated"
    MASK_TINY = "mask of a few pixels"
    MASK_WITHOUT_PICTURE = "mask without picture"
    CLASSES_OVERLAP = "classes overlap"
    LABEL_MALFORMED = "label malformed"
    LABEL_REPEATED = "label repeated"
    ROW_REPEATED = "row repeated"
    LABELS_CONTRADICT = "labels contradict"
    LABEL_WITHOUT_PICTURE = "label without picture"
    PICTURE_WITHOUT_LABEL = "picture without label"
    CLEAN_WITH_MASK = "clean with mask"
    DEFECTIVE_WITHOUT_MASK = "defective without mask"
    GROUP_REPEATED = "group repeated"
    GROUP_WITHOUT_PICTURE = "group without picture"
    SECOND_LABELS_FILE = "second labels file"
    STRAY_FILE = "stray file"
    DUPLICATES_DISAGREE = "duplicates disagree"
    DUPLICATES_IN_GROUPS = "duplicates in several groups"


@dataclass(frozen=True)
class Rule:
    """What a kind of fault means.

    Attributes:
        stops_fit: whether `fit` refuses the folder for it.
    """

    advice: str
    stops_fit: bool


@dataclass(frozen=True)
class Fault:
    """One fault of one picture.

    Attributes:
        name: of the picture, or of the file.
        line: of the label file that says so, counted from 1 for its header.
    """

    kind: FaultKind
    name: str
    detail: str
    class_id: int | None = None
    line: int | None = None


RULES: dict[FaultKind, Rule] = {
    FaultKind.PICTURE_UNREADABLE: Rule(
        "Does not decode as an 8-bit gray or RGB picture. Fetch it again, or remove it.", True
    ),
    FaultKind.MASK_MALFORMED: Rule(
        "The run lengths are not ascending pairs of start and length. Mend or remove the row.", True
    ),
    FaultKind.MASK_OUT_OF_BOUNDS: Rule(
        "A run ends outside the picture: made for another size, or another pixel order.", True
    ),
    FaultKind.CLASS_ID_MALFORMED: Rule("A class id is a whole number from 1.", True),
    FaultKind.CLASS_UNNAMED: Rule("Name the class in classes.json, or remove its rows.", True),
    FaultKind.MASK_REPEATED: Rule(
        "More than one row for a picture and class. Join them, or keep one.", True
    ),
    FaultKind.MASK_TINY: Rule(
        "At most 8 pixels: a slip of the pen, or of the drawing tool? Look, and remove it.", False
    ),
    FaultKind.MASK_WITHOUT_PICTURE: Rule("Add the picture to images/, or remove the row.", True),
    FaultKind.CLASSES_OVERLAP: Rule(
        "Pixels that belong to two classes. Sigmoid maps can learn that; look whether it is meant.",
        False,
    ),
    FaultKind.LABEL_MALFORMED: Rule("A label is 1 (defective) or 0 (clean).", True),
    FaultKind.LABEL_REPEATED: Rule("A picture has two labels. Decide.", True),
    FaultKind.ROW_REPEATED: Rule(
        "Rows that are equal to the letter count once. Split by picture, never by row.", False
    ),
    FaultKind.LABELS_CONTRADICT: Rule("One picture is labelled 0 and 1. Decide.", True),
    FaultKind.LABEL_WITHOUT_PICTURE: Rule("Add the picture to images/, or remove the row.", True),
    FaultKind.PICTURE_WITHOUT_LABEL: Rule(
        "Neither in the labels file nor with a mask: nobody said whether it is clean.", True
    ),
    FaultKind.CLEAN_WITH_MASK: Rule("Labelled 0, but with a mask. Decide which is right.", True),
    FaultKind.DEFECTIVE_WITHOUT_MASK: Rule(
        "Labelled 1, but nobody drew the defect. The gate learns from it, the segmenter cannot.",
        False,
    ),
    FaultKind.GROUP_REPEATED: Rule("More than one row for a picture in groups.csv.", True),
    FaultKind.GROUP_WITHOUT_PICTURE: Rule("Add the picture to images/, or remove the row.", True),
    FaultKind.SECOND_LABELS_FILE: Rule("Two labels files; only the other was read here.", True),
    FaultKind.STRAY_FILE: Rule("Lies in images/ and is not a picture by its name.", False),
    FaultKind.DUPLICATES_DISAGREE: Rule(
        "Pictures of one view, some defective and some clean. Look which label is right.", False
    ),
    FaultKind.DUPLICATES_IN_GROUPS: Rule(
        "Pictures of one view that a split may put on both sides, so that held-out scores flatter. "
        "Give them one group: duplicates.csv has the form of groups.csv.",
        False,
    ),
}
