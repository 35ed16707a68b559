"""What no split may have: a picture, a group, or one piece of steel on two sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from steeldefect.errors import DataError
from steeldefect.labels.label_files import listed
from training.splitting.duplicates import DuplicateSet
from training.splitting.parts import Parts
from training.splitting.views import find_near_duplicates

Places = dict[str, set[str]]  # parts by what lies in them


def check_parts(parts: Parts, duplicates: Sequence[DuplicateSet] | None = None) -> None:
    """Refuse parts that overlap: train, validation and test, each with each.

    Args:
        parts: groups are those of their pictures.
        duplicates: near-duplicates where they have been searched already; an empty sequence
            lets them pass, as `NearDuplicates.IGNORE` does; None searches for them.

    Raises:
        DataError: a picture, a group, or near-duplicates in two parts; lists the first of each.
    """
    pictures, groups = _by_picture(parts), _by_group(parts)
    if duplicates is None:
        unique = {one.name: one for part in parts.named().values() for one in part}
        duplicates = find_near_duplicates(list(unique.values()))
    problems = [
        *_list("the same picture", [_told(name, pictures[name]) for name in _torn(pictures)]),
        *_list("pictures of one group", [_told(group, groups[group]) for group in _torn(groups)]),
        *_list("near-duplicates", _torn_views(duplicates, pictures)),
    ]
    if problems:
        raise DataError(
            f"the parts of the split overlap; {'; '.join(problems)}; make it anew with "
            "python -m training split"
        )


def _by_picture(parts: Parts) -> Places:
    places: Places = defaultdict(set)
    for part, pictures in parts.named().items():
        for picture in pictures:
            places[picture.name].add(part)
    return places


def _by_group(parts: Parts) -> Places:
    """Like `_by_picture`; without the groups of one picture, which are told as that picture."""
    places: Places = defaultdict(set)
    members: dict[str, set[str]] = defaultdict(set)
    for part, pictures in parts.named().items():
        for picture in pictures:
            places[picture.group].add(part)
            members[picture.group].add(picture.name)
    return {group: found for group, found in places.items() if len(members[group]) > 1}


def _torn(places: Places) -> list[str]:
    return sorted(name for name, found in places.items() if len(found) > 1)


def _torn_views(duplicates: Sequence[DuplicateSet], pictures: Places) -> list[str]:
    """Tell of each set that lies in two parts its first picture in each."""
    told = []
    for one in duplicates:
        firsts: dict[str, str] = {}
        for name in one.names:
            for part in pictures.get(name, ()):
                firsts.setdefault(part, name)
        if len(set(firsts.values())) > 1:
            told.append(" ~ ".join(f"{name} ({part})" for part, name in sorted(firsts.items())))
    return told


def _told(name: str, parts: set[str]) -> str:
    return f"{name} ({' and '.join(sorted(parts))})"


def _list(what: str, found: Sequence[str]) -> list[str]:
    return [f"{what} in two parts: {listed(found)}"] if found else []
