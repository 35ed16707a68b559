"""Check the files of a folder against each other; each check returns faults of its kinds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from steeldefect.pictures import run_lengths
from training.explore.faults import Fault, FaultKind
from training.explore.masks import MaskFacts, Masks
from training.explore.pictures import UnreadablePicture
from training.explore.source import Source, Table
from training.explore.verdicts import Verdict
from training.splitting.duplicates import DuplicateSet

_NAMED = 3
_TINY = 8  # pixels
_SAME = "an earlier row says the same"


def find_faults(
    source: Source,
    unreadable: Sequence[UnreadablePicture],
    masks: Masks,
    verdicts: Mapping[str, Verdict],
    duplicates: Sequence[DuplicateSet],
) -> list[Fault]:
    """Run all checks; return the faults in the order of `FaultKind`, then by picture."""
    faults = [
        *(Fault(FaultKind.PICTURE_UNREADABLE, one.name, one.problem) for one in unreadable),
        *masks.faults,
        *_unnamed_classes(source, masks.sound),
        *_repeated_masks(source, masks.sound),
        *_tiny_masks(masks.sound),
        *_overlaps(masks.sound),
        *_label_rows(source),
        *_labels_against_masks(source, verdicts),
        *_absent_pictures(source),
        *_groups(source),
        *_files(source),
        *_duplicates(source, verdicts, duplicates),
    ]
    order = list(FaultKind)
    return sorted(faults, key=lambda one: (order.index(one.kind), one.name, one.line or 0))


def _unnamed_classes(source: Source, masks: Iterable[MaskFacts]) -> Iterator[Fault]:
    if source.class_names is None:
        return
    for mask in masks:
        if mask.class_id not in source.class_names:
            detail = f"class {mask.class_id} is not in classes.json"
            yield Fault(FaultKind.CLASS_UNNAMED, mask.name, detail, mask.class_id, mask.line)


def _repeated_masks(source: Source, masks: Iterable[MaskFacts]) -> Iterator[Fault]:
    first: dict[tuple[str, int], int] = {}
    for mask in masks:
        line = first.setdefault((mask.name, mask.class_id), mask.line)
        if line != mask.line:
            detail = f"line {line} has this picture and class already"
            yield Fault(FaultKind.MASK_REPEATED, mask.name, detail, mask.class_id, mask.line)
    if source.masks is not None:
        rows = source.masks.rows
        again = rows[rows.duplicated(["ImageId", "ClassId", "EncodedPixels"])]
        for name, line in zip(again["ImageId"], again["line"], strict=True):
            yield Fault(FaultKind.ROW_REPEATED, name, _SAME, line=int(line))


def _tiny_masks(masks: Iterable[MaskFacts]) -> Iterator[Fault]:
    for mask in masks:
        if mask.area <= _TINY:
            detail = f"class {mask.class_id} has {mask.area} pixels"
            yield Fault(FaultKind.MASK_TINY, mask.name, detail, mask.class_id, mask.line)


def _overlaps(masks: Iterable[MaskFacts]) -> Iterator[Fault]:
    by_picture: dict[str, list[MaskFacts]] = {}
    for mask in masks:
        by_picture.setdefault(mask.name, []).append(mask)
    for name, found in by_picture.items():
        for one, other in combinations(found, 2):
            shared = (
                run_lengths.overlap(one.runs, other.runs) if one.class_id != other.class_id else 0
            )
            if shared:
                smaller = 100 * shared / min(one.area, other.area)
                detail = (
                    f"classes {one.class_id} and {other.class_id} share {shared:,} pixels, "
                    f"{smaller:.1f}% of the smaller mask"
                )
                yield Fault(FaultKind.CLASSES_OVERLAP, name, detail, one.class_id, other.line)


def _label_rows(source: Source) -> Iterator[Fault]:
    if source.labels is None:
        return
    for name, label, line in _columns(source.labels, "label"):
        if label not in ("0", "1"):
            yield Fault(FaultKind.LABEL_MALFORMED, name, f"got {label!r}", line=line)
    yield from _repeated(source.labels, "label", FaultKind.LABEL_REPEATED)


def _labels_against_masks(source: Source, verdicts: Mapping[str, Verdict]) -> Iterator[Fault]:
    if source.labels is None:
        return
    for name, verdict in verdicts.items():
        if verdict.contradicts:
            yield Fault(FaultKind.LABELS_CONTRADICT, name, "labelled 0 and 1")
        elif verdict.defective is False and verdict.masked:
            yield Fault(FaultKind.CLEAN_WITH_MASK, name, "labelled 0, but with run lengths")
        elif verdict.defective and not verdict.masked and source.masks is not None:
            yield Fault(FaultKind.DEFECTIVE_WITHOUT_MASK, name, "labelled 1, without run lengths")
        elif not verdict.labels and not verdict.masked and name in source.pictures:
            detail = f"not in {source.labels.path.name}, and without a mask"
            yield Fault(FaultKind.PICTURE_WITHOUT_LABEL, name, detail)


def _absent_pictures(source: Source) -> Iterator[Fault]:
    """Yield rows about missing pictures; no faults for a folder without pictures."""
    if not source.pictures:
        return
    for table, column, kind in (
        (source.masks, "ClassId", FaultKind.MASK_WITHOUT_PICTURE),
        (source.labels, "label", FaultKind.LABEL_WITHOUT_PICTURE),
        (source.groups, "group", FaultKind.GROUP_WITHOUT_PICTURE),
    ):
        for name, _, line in _columns(table, column) if table else ():
            if table and name not in source.pictures:
                hint = table.hints.get(name)
                detail = f"not in images/; {hint}" if hint else "not in images/"
                yield Fault(kind, name, detail, line=line)


def _groups(source: Source) -> Iterator[Fault]:
    if source.groups is not None:
        yield from _repeated(source.groups, "group", FaultKind.GROUP_REPEATED)


def _files(source: Source) -> Iterator[Fault]:
    if source.ignored_labels is not None and source.labels is not None:
        detail = f"{source.labels.path.name} was read instead"
        yield Fault(FaultKind.SECOND_LABELS_FILE, source.ignored_labels.name, detail)
    for name, reason in source.strays.items():
        yield Fault(FaultKind.STRAY_FILE, name, f"in images/, {reason}")
    for name in source.unnameable:
        detail = "the file's name is not UTF-8; rename it"
        yield Fault(FaultKind.PICTURE_UNREADABLE, name, detail)


def _duplicates(
    source: Source, verdicts: Mapping[str, Verdict], duplicates: Iterable[DuplicateSet]
) -> Iterator[Fault]:
    groups = {name: group for name, group, _ in _columns(source.groups, "group") if group}
    for found in duplicates:
        first, others = found.names[0], f"with {_some(found.names[1:])}"
        answers = {verdicts[name].defective for name in found.names} - {None}
        if len(answers) > 1:
            yield Fault(FaultKind.DUPLICATES_DISAGREE, first, others)
        if len({groups.get(name, name) for name in found.names}) > 1:
            yield Fault(FaultKind.DUPLICATES_IN_GROUPS, first, others)


def _repeated(table: Table, value: str, kind: FaultKind) -> Iterator[Fault]:
    again = table.rows[table.rows["ImageId"].duplicated()]
    same = table.rows.duplicated(["ImageId", value])[again.index]
    for name, line, is_same in zip(again["ImageId"], again["line"], same, strict=True):
        if is_same:
            yield Fault(FaultKind.ROW_REPEATED, name, _SAME, line=int(line))
        else:
            yield Fault(kind, name, "an earlier row says something else", line=int(line))


def _columns(table: Table | None, column: str) -> Iterator[tuple[str, str, int]]:
    if table is not None:
        rows = table.rows
        for name, value, line in zip(rows["ImageId"], rows[column], rows["line"], strict=True):
            yield name, value, int(line)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
