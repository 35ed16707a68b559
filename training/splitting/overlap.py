"""Check that the parts of a split do not overlap: no shared picture, group or near-duplicate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from steeldefect.errors import DataError
from steeldefect.labels.label_files import listed
from training.splitting.duplicates import DuplicateSet
from training.splitting.parts import Parts
from training.splitting.views import find_near_duplicates

Places = dict[str, set[str]]  # names of the parts that hold a picture or a group, by its name


def check_parts(parts: Parts, duplicates: Sequence[DuplicateSet] | None = None) -> None:
    """Check that no two of the parts train, validation and test overlap.

    Args:
        parts: parts of a split; the groups are those of the pictures.
        duplicates: near-duplicates that were found before. An empty sequence allows
            near-duplicates in two parts, as `NearDuplicates.IGNORE` does. None: search for them.

    Raises:
        DataError: a picture, a group or near-duplicates are in two parts; the message lists the
            first of each.
    """
    pictures, groups = _by_picture(parts), _by_group(parts)
    if duplicates is None:
        unique = {one.name: one for part in parts.named().values() for one in part}
        duplicates = find_near_duplicates(list(unique.values()))
    problems = [
        *_list(
            "the same picture",
            [_described(name, pictures[name]) for name in _in_two_parts(pictures)],
        ),
        *_list(
            "pictures of one group",
            [_described(group, groups[group]) for group in _in_two_parts(groups)],
        ),
        *_list("near-duplicates", _duplicates_in_two_parts(duplicates, pictures)),
    ]
    if problems:
        raise DataError(
            f"the parts of the split overlap; {'; '.join(problems)}; make it again with "
            "python -m training split"
        )


def _by_picture(parts: Parts) -> Places:
    places: Places = defaultdict(set)
    for part, pictures in parts.named().items():
        for picture in pictures:
            places[picture.name].add(part)
    return places


def _by_group(parts: Parts) -> Places:
    """Return the parts of each group with two or more pictures.

    A group of one picture is left out: `_by_picture` reports that picture.
    """
    places: Places = defaultdict(set)
    members: dict[str, set[str]] = defaultdict(set)
    for part, pictures in parts.named().items():
        for picture in pictures:
            places[picture.group].add(part)
            members[picture.group].add(picture.name)
    return {group: found for group, found in places.items() if len(members[group]) > 1}


def _in_two_parts(places: Places) -> list[str]:
    return sorted(name for name, found in places.items() if len(found) > 1)


def _duplicates_in_two_parts(duplicates: Sequence[DuplicateSet], pictures: Places) -> list[str]:
    """Return a text for each set that is in two parts: its first picture in each part."""
    described = []
    for one in duplicates:
        firsts: dict[str, str] = {}
        for name in one.names:
            for part in pictures.get(name, ()):
                firsts.setdefault(part, name)
        if len(set(firsts.values())) > 1:
            described.append(
                " ~ ".join(f"{name} ({part})" for part, name in sorted(firsts.items()))
            )
    return described


def _described(name: str, parts: set[str]) -> str:
    return f"{name} ({' and '.join(sorted(parts))})"


def _list(what: str, found: Sequence[str]) -> list[str]:
    return [f"{what} in two parts: {listed(found)}"] if found else []
