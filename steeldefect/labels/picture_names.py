"""Find the pictures that label files name.

A name is compared with the pictures in steps, from strict to loose. The first step that finds a
picture decides. A name that fits several pictures in that step is ambiguous: no picture is guessed.

1. The name is a picture's key, or the end of its address (`a.jpg`, `day1/a.jpg`). A name without
   folder counts as a key only if other names of the file are keys with a folder.
2. As step 1, in Unicode's composed form (NFC), with `/` for a backslash, and without quotes and
   white space around the name or `./` before it.
3. As step 2, but case is ignored.
4. As step 3, without the picture's extension, if the name has none.
5. If no name with a folder has found a picture: steps 1 to 4 again, without the leading folders
   that all names share; what remains must be a whole key.

A picture that a name has found takes no part in looser steps. Two names of one file clash if they
are equal in the step that compares them: whether both mean the same picture is unknown.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_SUFFIXES = frozenset({"jpg", "jpeg", "png", "bmp", "tif", "tiff"})
_SEPARATORS = re.compile(r"(?:[^\w/]|_)+")
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_AROUND = " \t\u00a0\u200b\u2060\ufeff\"'"
_NEAR = 3

Item = TypeVar("Item")
Form = Callable[[str], str]
_Finder = Callable[[Collection[str], Sequence[str], Sequence[str], Form], "_ByForm[int]"]


class _ByForm(Generic[Item]):
    """Items by their form: nearly all forms have one item, and a million lists take memory."""

    def __init__(self) -> None:
        self.first: dict[str, Item] = {}
        self._more: dict[str, list[Item]] = {}

    def add(self, form: str, item: Item) -> None:
        if form in self.first:
            self._more.setdefault(form, []).append(item)
        else:
            self.first[form] = item

    def items(self, form: str) -> list[Item]:
        return [self.first[form], *self._more.get(form, ())]


@dataclass(frozen=True)
class Matches:
    """The picture that each name of a file means; pictures are numbered in the order given.

    A name that is in none of the attributes has no picture, and no picture resembles it.

    Attributes:
        pictures: number of the picture, by name.
        ambiguous: numbers of the pictures that a name fits equally well, by name.
        clashing: another name that means the same picture, by name.
        near: numbers of the pictures that resemble a name without picture, by name: they differ
            from it only in separators, leading zeros, extension or folder.
        doubtful: numbers of all pictures that an ambiguous, a clashing or a near name may mean.
    """

    pictures: dict[str, int] = field(default_factory=dict)
    ambiguous: dict[str, tuple[int, ...]] = field(default_factory=dict)
    clashing: dict[str, str] = field(default_factory=dict)
    near: dict[str, tuple[int, ...]] = field(default_factory=dict)
    doubtful: set[int] = field(default_factory=set)

    def explain(self, name: str, keys: Sequence[str]) -> str:
        """Return why a name has no picture, in a few words; empty if no picture resembles it."""
        if name in self.ambiguous:
            return f"fits {_some(self.ambiguous[name], keys)}"
        if name in self.clashing:
            return f"means the same picture as {self.clashing[name]!r}"
        if name in self.near:
            return f"is {_some(self.near[name], keys)} meant?"
        return ""


def match_names(
    names: Iterable[str], keys: Sequence[str], addresses: Sequence[str] | None = None
) -> Matches:
    """Find the picture that each name means.

    Args:
        names: names in one label file; repeated names count once.
        keys: path of each picture below its folder or source.
        addresses: whole address of each picture, which ends with its key; None to use the keys.
    """
    search = _Search(_unique(names), keys, keys if addresses is None else addresses)
    search.run()
    return search.found


def _unique(names: Iterable[str]) -> list[str]:
    """Return each name once."""
    return list(names) if isinstance(names, Mapping) else list(dict.fromkeys(names))


class _Search:
    """One search. There may be a million names: their dictionaries are few, and short-lived."""

    def __init__(self, names: list[str], keys: Sequence[str], addresses: Sequence[str]) -> None:
        self.found = Matches()
        self._names = names
        self._keys = keys
        self._addresses = addresses
        self._shortened: dict[str, str] = {}  # name without dropped folders, by name
        self._claims: list[str | None] = [None] * len(keys)  # name by picture

    def run(self) -> None:
        self._claim_keys()
        self._run_steps(self._left())
        left = self._left()
        if left and not self._folders_fit():
            self._drop_folders(left)
        left = self._left()
        if left:
            self._find_near(left)

    def _left(self, names: Iterable[str] | None = None) -> list[str]:
        found = self.found
        return [
            name
            for name in (self._names if names is None else names)
            if name not in found.pictures
            and name not in found.ambiguous
            and name not in found.clashing
        ]

    def _compared(self, name: str) -> str:
        return self._shortened.get(name, name)

    def _claim_keys(self) -> None:
        """Give each name with a folder that is the key of one picture this picture.

        That is what the first step does; here it takes less memory for a million names.
        """
        number_of: dict[str, int] = {}
        several = set()
        for number, key in enumerate(self._keys):
            if number_of.setdefault(key, number) != number:
                several.add(key)
        for name in self._names:
            number = number_of.get(name, -1)
            if number >= 0 and _has_folder(name) and name not in several:
                self.found.pictures[name] = number
                self._claims[number] = name

    def _folders_fit(self) -> bool:
        return any(map(_has_folder, self.found.pictures))

    def _run_steps(self, names: list[str]) -> None:
        for of_name, of_picture in _STEPS:
            deep = [name for name in names if _has_folder(self._compared(name))]
            self._run(deep, of_name, of_picture, _by_key)
            if self._folders_fit():
                self._run(names, of_name, of_picture, _by_key)
            self._run(names, of_name, of_picture, _by_end)
            names = self._left(names)
            if not names:
                return

    def _run(self, names: list[str], of_name: Form, of_picture: Form, find: _Finder) -> None:
        wanted = self._wanted(self._left(names), of_name)
        if wanted.first:
            found = find(wanted.first, self._keys, self._addresses, of_picture)
            for form in sorted(found.first, key=_depth, reverse=True):
                self._decide(wanted.items(form), form, found.items(form), of_picture)

    def _wanted(self, names: Iterable[str], of_name: Form) -> _ByForm[str]:
        wanted = _ByForm[str]()
        for name in names:
            form = of_name(self._compared(name))
            if form:
                wanted.add(form, name)
        return wanted

    def _decide(self, names: list[str], form: str, numbers: list[int], of_picture: Form) -> None:
        if len(names) == len(numbers) == 1 and self._claims[numbers[0]] is None:
            self.found.pictures[names[0]] = numbers[0]
            self._claims[numbers[0]] = names[0]
            return
        claimers = (self._claims[number] for number in numbers)
        others = [one for one in claimers if one and of_picture(self._compared(one)) == form]
        if others or len(names) > 1:
            for name in names:
                self.found.clashing[name] = next(one for one in [*others, *names] if one != name)
            self.found.doubtful.update(numbers)
            return
        free = [number for number in numbers if self._claims[number] is None]
        if len(free) > 1:
            self.found.ambiguous[names[0]] = tuple(free)
            self.found.doubtful.update(free)
        elif free:
            self.found.pictures[names[0]] = free[0]
            self._claims[free[0]] = names[0]

    def _drop_folders(self, names: Iterable[str]) -> None:
        """Compare again without leading folders that all names share; drop as few as possible."""
        split = {name: _clean(name).split("/") for name in names}
        deep = {name: parts for name, parts in split.items() if len(parts) > 1}
        for count in range(1, _common(deep.values()) + 1):
            self._shortened |= {name: "/".join(parts[count:]) for name, parts in deep.items()}
            for of_name, of_picture in _STEPS:
                # by key: the end of an address would find day2/a.jpg for day1/a.jpg
                self._run(list(deep), of_name, of_picture, _by_key)
            if any(name in self.found.pictures or name in self.found.ambiguous for name in deep):
                return
        self._shortened.clear()

    def _find_near(self, names: Iterable[str]) -> None:
        trusted = self._folders_fit()
        wanted: dict[str, list[str]] = defaultdict(list)
        for name in names:
            form = _skeleton(self._compared(name))
            wanted[form if trusted else form.rpartition("/")[2]].append(name)
        near: dict[str, list[int]] = defaultdict(list)
        found = _by_end(wanted, self._keys, self._addresses, _skeleton)
        for form in found.first:
            for name in wanted[form]:
                near[name] += found.items(form)
        for name, numbers in near.items():
            self.found.near[name] = tuple(numbers)
            free = (number for number in numbers if self._claims[number] is None)
            self.found.doubtful.update(free)


def _by_key(
    wanted: Collection[str], keys: Sequence[str], addresses: Sequence[str], form: Form
) -> _ByForm[int]:
    """Return the numbers of the pictures whose key has a wanted form, by form."""
    found = _ByForm[int]()
    for number, key in enumerate(keys):
        written = form(key)
        if written in wanted:
            found.add(written, number)
    return found


def _by_end(
    wanted: Collection[str], keys: Sequence[str], addresses: Sequence[str], form: Form
) -> _ByForm[int]:
    """Return the numbers of the pictures whose address ends with the parts of a wanted form."""
    depths = sorted({_depth(one) for one in wanted})
    found = _ByForm[int]()
    for number, address in enumerate(addresses):
        parts = form(address).split("/")
        for depth in depths:
            if depth > len(parts):
                break
            end = parts[-1] if depth == 1 else "/".join(parts[-depth:])
            if end in wanted:
                found.add(end, number)
    return found


def _has_folder(name: str) -> bool:
    return "/" in name.removeprefix("./") or "\\" in name


def _depth(path: str) -> int:
    return path.count("/") + 1


def _common(paths: Iterable[Sequence[str]]) -> int:
    """Return the number of leading folders that all paths share; a path ends with a file name."""
    folders = [list(parts[:-1]) for parts in paths]
    if not folders:
        return 0
    first, last = min(folders), max(folders)
    count = 0
    while count < min(len(first), len(last)) and first[count] == last[count]:
        count += 1
    return count


def _as_it_is(text: str) -> str:
    return text


def _clean(text: str) -> str:
    plain = text if text.isascii() else unicodedata.normalize("NFC", text)
    return plain.replace("\\", "/").strip(_AROUND).removeprefix("./")


def _folded(text: str) -> str:
    plain = _clean(text)
    return plain.lower() if plain.isascii() else unicodedata.normalize("NFC", plain.casefold())


def _stem(text: str) -> str:
    folded = _folded(text)
    stem, dot, suffix = folded.rpartition(".")
    return stem if dot and suffix in _SUFFIXES else folded


def _stem_of_bare(name: str) -> str:
    """Return the form of a name without extension; empty for a name that has an extension."""
    folded = _folded(name)
    return folded if _stem(name) == folded else ""


def _skeleton(text: str) -> str:
    """Return a name without extension and leading zeros, and with one kind of separator."""
    stem = _stem(text)
    plain = stem if stem.isascii() else unicodedata.normalize("NFKC", stem)
    return _LEADING_ZEROS.sub("", _SEPARATORS.sub("-", plain))


_STEPS: tuple[tuple[Form, Form], ...] = (
    (_as_it_is, _as_it_is),
    (_clean, _clean),
    (_folded, _folded),
    (_stem_of_bare, _stem),
)


def _some(numbers: Sequence[int], keys: Sequence[str]) -> str:
    named = " or ".join(repr(keys[number]) for number in numbers[:_NEAR])
    more = len(numbers) - _NEAR
    return named + (f" or {more} more" if more > 0 else "")
