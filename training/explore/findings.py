"""Collect all results about a folder, for tables, charts and the page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from training.explore.checks import find_faults
from training.explore.faults import Fault, FaultKind
from training.explore.masks import MaskFacts, Masks, measure_masks
from training.explore.pictures import PictureFacts, UnreadablePicture, measure_pictures
from training.explore.source import Source
from training.explore.verdicts import Verdict, read_verdicts
from training.splitting.duplicates import DuplicateSet, find_duplicates


@dataclass(frozen=True)
class Findings:
    """All results about a folder.

    Attributes:
        source: files of the folder.
        pictures: facts of the pictures that decode, by name, ascending.
        unreadable: pictures that do not decode.
        masks: masks that were measured.
        verdicts: stated labels by picture name, also of pictures that only a label file names.
        duplicates: sets of duplicates.
        faults: faults in the order of `FaultKind`.
    """

    source: Source
    pictures: dict[str, PictureFacts]
    unreadable: list[UnreadablePicture]
    masks: Masks
    verdicts: dict[str, Verdict]
    duplicates: list[DuplicateSet]
    faults: list[Fault]

    @cached_property
    def class_names(self) -> dict[int, str]:
        """Names by id: from classes.json, and `class_<id>` for any other id in use."""
        stated = self.source.class_names or {}
        used = {one.class_id for one in self.masks.sound}
        used |= {one.class_id for one in self.masks.faults if one.class_id is not None}
        makeshift = {number: f"class_{number}" for number in used}
        return dict(sorted({**makeshift, **stated}.items()))

    @cached_property
    def masks_by_picture(self) -> dict[str, dict[int, MaskFacts]]:
        """Masks by picture and class id; the first one if rows are repeated."""
        found: dict[str, dict[int, MaskFacts]] = {}
        for mask in self.masks.sound:
            found.setdefault(mask.name, {}).setdefault(mask.class_id, mask)
        return found

    @cached_property
    def known(self) -> list[str]:
        """Names of the pictures whose masks are known, clean pictures included."""
        return [name for name, verdict in self.verdicts.items() if verdict.outlined]

    def faults_of(self, kind: FaultKind) -> list[Fault]:
        """Return the faults of one kind."""
        return [one for one in self.faults if one.kind is kind]


def find(source: Source) -> Findings:
    """Measure all files of a folder, and check them against each other."""
    measured, unreadable = measure_pictures(source.pictures) if source.pictures else ([], [])
    pictures = {one.name: one for one in measured}
    shapes = {one.name: one.shape for one in measured}
    masks = Masks()
    if source.masks is not None:
        rows = source.masks.rows.drop_duplicates(["ImageId", "ClassId", "EncodedPixels"])
        masks = measure_masks(rows, shapes, source.options.shape)
    verdicts = read_verdicts(source, masked_names(source))
    duplicates = find_duplicates(measured)
    faults = find_faults(source, unreadable, masks, verdicts, duplicates)
    return Findings(source, pictures, unreadable, masks, verdicts, duplicates, faults)


def masked_names(source: Source) -> set[str]:
    """Return the pictures with a row of run lengths, well-formed or not."""
    if source.masks is None:
        return set()
    rows = source.masks.rows
    return set(rows["ImageId"][rows["EncodedPixels"] != ""])
