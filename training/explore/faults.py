"""The kinds of fault in a data folder, with advice for each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FaultKind(str, Enum):
    """A kind of fault; `RULES` holds the advice for each."""

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
    """The meaning of a kind of fault.

    Attributes:
        advice: cause and remedy, as shown on the page.
        stops_fit: whether `fit` refuses a folder with this fault.
    """

    advice: str
    stops_fit: bool


@dataclass(frozen=True)
class Fault:
    """One fault of one picture or file.

    Attributes:
        kind: kind of the fault.
        name: name of the picture or the file.
        detail: description of the fault.
        class_id: class of the mask; None if the fault has no class.
        line: line in the label file, the header is line 1; None if the fault has no line.
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
        "The run lengths are not ascending pairs of start and length. Fix or remove the row.", True
    ),
    FaultKind.MASK_OUT_OF_BOUNDS: Rule(
        "A run ends outside the picture: the picture size or the pixel order is another.", True
    ),
    FaultKind.CLASS_ID_MALFORMED: Rule("A class id is a whole number from 1.", True),
    FaultKind.CLASS_UNNAMED: Rule("Name the class in classes.json, or remove its rows.", True),
    FaultKind.MASK_REPEATED: Rule(
        "A picture and class have more than one row. Join the rows, or keep one.", True
    ),
    FaultKind.MASK_TINY: Rule(
        "The mask has at most 8 pixels, perhaps drawn by mistake. Look at it, and remove it.", False
    ),
    FaultKind.MASK_WITHOUT_PICTURE: Rule("Add the picture to images/, or remove the row.", True),
    FaultKind.CLASSES_OVERLAP: Rule(
        "Pixels belong to two classes. The segmenter can learn that. Check whether it is intended.",
        False,
    ),
    FaultKind.LABEL_MALFORMED: Rule("A label is 1 (defective) or 0 (clean).", True),
    FaultKind.LABEL_REPEATED: Rule("A picture has two labels. Keep the right one.", True),
    FaultKind.ROW_REPEATED: Rule(
        "Identical rows count once. Split by picture, never by row.", False
    ),
    FaultKind.LABELS_CONTRADICT: Rule("One picture is labelled 0 and 1. Keep the right one.", True),
    FaultKind.LABEL_WITHOUT_PICTURE: Rule("Add the picture to images/, or remove the row.", True),
    FaultKind.PICTURE_WITHOUT_LABEL: Rule(
        "The picture has neither a label nor a mask. Add a label: 0 if it is clean.", True
    ),
    FaultKind.CLEAN_WITH_MASK: Rule("Labelled 0, but with a mask. Correct the wrong one.", True),
    FaultKind.DEFECTIVE_WITHOUT_MASK: Rule(
        "Labelled 1, but without a mask. The gate learns from it, the segmenter cannot.",
        False,
    ),
    FaultKind.GROUP_REPEATED: Rule(
        "A picture has more than one row in groups.csv. Keep one.", True
    ),
    FaultKind.GROUP_WITHOUT_PICTURE: Rule("Add the picture to images/, or remove the row.", True),
    FaultKind.SECOND_LABELS_FILE: Rule(
        "There are two labels files; this one was not read. Keep one.", True
    ),
    FaultKind.STRAY_FILE: Rule(
        "The file is in images/, but its name is not that of a picture.", False
    ),
    FaultKind.DUPLICATES_DISAGREE: Rule(
        "Duplicates, some labelled defective and some clean. Correct the wrong labels.", False
    ),
    FaultKind.DUPLICATES_IN_GROUPS: Rule(
        "Duplicates in different groups. A split may separate them; held-out scores are then too "
        "good. Give them one group: duplicates.csv has the form of groups.csv.",
        False,
    ),
}
