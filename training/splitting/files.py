"""Read and write split files: a split is written once, and several fits use it.

    # steeldefect split: seed 0, validation 0.15, test 0.15, near-duplicates grouped, data 3f...
    ImageId,split,group

In a file with folds, the first line says `folds 5` instead of the test share, and the second
column is `fold`. The first line may be missing, as in the `split.csv` of a bundle.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from steeldefect.errors import AlreadyExistsError, DataError
from steeldefect.labels.label_files import listed, read_csv, require_columns
from training.data.dataset import LabelledPicture
from training.data.labels import read_file
from training.data.picture_names import Naming
from training.splitting.division import parts_of_fold
from training.splitting.origin import PREFIX, Origin
from training.splitting.parts import Folds, Parts, regrouped

_PARTS = ("train", "validation", "test")
_REMAKE = "make it again with python -m training split"

Members = dict[str, list[LabelledPicture]]  # by name of the part or fold


@dataclass(frozen=True)
class _File:
    """The content of a split file; `table` has the columns imageid, group, and split or fold."""

    path: Path
    origin: Origin | None
    table: pd.DataFrame

    @property
    def column(self) -> str:
        return "fold" if "fold" in self.table.columns else "split"


def refuse_existing(path: Path) -> None:
    """Check, before any work, that a split would overwrite nothing.

    Raises:
        AlreadyExistsError: `path` exists.
    """
    if path.exists():
        raise AlreadyExistsError(f"{path} exists; fits may rely on it, choose another path")


def write_split(path: Path, division: Parts | Folds, origin: Origin) -> None:
    """Write a split or folds to a new file.

    Raises:
        AlreadyExistsError: `path` exists.
        OSError: the file cannot be written.
    """
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8", newline="") as file:
        file.write(f"{origin.line()}\n{division.to_csv()}")


def read_origin(path: Path) -> Origin | None:
    """Read how a split was made; None if the file has no first line about it.

    Raises:
        DataError: the file is missing or malformed.
    """
    return _read(path).origin


def read_split(path: Path, pictures: Sequence[LabelledPicture], fold: int | None = None) -> Parts:
    """Read a split file.

    In a file with folds, `fold` is the test part. The validation part is drawn from the other
    folds with the share, the seed and the groups in the file, so that every fit gets the same.

    Args:
        path: path of the split file.
        pictures: all pictures of the data folder, in any order; they keep their own groups.
        fold: number of the fold that is the test part, from 0; None for a file without folds.

    Raises:
        DataError: the file is missing or malformed, its pictures differ from those of the folder,
            the fold does not exist, or a part would be empty.
    """
    file = _with_own_names(_read(path), pictures)
    if file.column == "fold":
        return _read_fold(file, pictures, fold)
    if fold is not None:
        raise DataError(f"{path} has no folds; leave out --fold, or make it with --folds")
    return _read_parts(file, pictures)


def _read(path: Path) -> _File:
    content = _read_bytes(path).removeprefix(codecs.BOM_UTF8)
    origin, first_line = None, 1
    if content.startswith(b"#"):
        first = content.splitlines(keepends=True)[0]
        content, first_line = content[len(first) :], 2
        origin = _parse_origin(first, path)
    file = _File(path, origin, read_csv(content, str(path), first_line))
    require_columns(file.table, ("imageid", file.column, "group"), str(path))
    return file


def _read_bytes(path: Path) -> bytes:
    if not path.exists():
        raise DataError(f"no such file: {path}; make it with python -m training split --out {path}")
    return read_file(path)


def _parse_origin(first: bytes, path: Path) -> Origin:
    try:
        return Origin.parse(first.decode().strip())
    except ValueError as error:
        raise DataError(f"{path}: malformed first line ({error}); {_REMAKE}") from None


def _with_own_names(file: _File, pictures: Sequence[LabelledPicture]) -> _File:
    """Replace names in the rows by names of pictures; check that each picture has one row."""
    naming = Naming({picture.name: picture.path for picture in pictures})
    rows = file.table["imageid"]
    again = rows[rows.duplicated()]
    problems = []
    if len(again):
        named = [f"{name} (line {line})" for line, name in again.items()]
        problems.append(f"more than one row for {listed(named)}")
    named_rows = file.table.rename(columns={"imageid": "ImageId"}).assign(line=file.table.index)
    table = naming.rename(named_rows, "it").rename(columns={"ImageId": "imageid"})
    problems += naming.problems
    missing = sorted({picture.name for picture in pictures} - set(table["imageid"]))
    if missing:
        problems.append(f"no row for {listed(missing)}")
    if problems:
        raise DataError(f"{file.path} does not fit the data: {'; '.join(problems)}; {_REMAKE}")
    return replace(file, table=table)


def _read_parts(file: _File, pictures: Sequence[LabelledPicture]) -> Parts:
    members = _members(file, pictures)
    unknown = sorted(set(members) - set(_PARTS))
    if unknown:
        raise DataError(
            f"{file.path}: parts are {', '.join(_PARTS)}; received {listed(_quoted(unknown))}"
        )
    empty = [name for name in _PARTS if name not in members]
    if empty:
        raise DataError(f"{file.path} leaves {' and '.join(empty)} empty; {_REMAKE}")
    return Parts(*(tuple(members[name]) for name in _PARTS))


def _read_fold(file: _File, pictures: Sequence[LabelledPicture], fold: int | None) -> Parts:
    origin = file.origin
    if origin is None or origin.folds is None:
        raise DataError(
            f"{file.path} has folds, but no first line `{PREFIX}...` that says how many; {_REMAKE}"
        )
    last = origin.folds - 1
    if fold is None:
        raise DataError(f"{file.path} has folds; name the test part: --fold 0 to {last}")
    if not 0 <= fold <= last:
        raise DataError(f"{file.path} has folds 0 to {last}; received --fold {fold}")
    members = _members(file, regrouped(pictures, _groups(file)))
    expected = [str(number) for number in range(len(members))]
    if len(members) != origin.folds or set(members) != set(expected):
        raise DataError(
            f"{file.path}: folds are 0 to {last}, all with pictures; received "
            f"{listed(_quoted(sorted(members)))}; {_REMAKE}"
        )
    folds = Folds(tuple(tuple(members[number]) for number in expected))
    parts = parts_of_fold(folds, fold, origin.validation, origin.seed)
    return parts.regrouped({picture.name: picture.group for picture in pictures})


def _members(file: _File, pictures: Sequence[LabelledPicture]) -> Members:
    places = dict(zip(file.table["imageid"], file.table[file.column], strict=True))
    members: Members = {}
    for picture in sorted(pictures, key=lambda one: one.name):
        members.setdefault(places[picture.name], []).append(picture)
    return members


def _groups(file: _File) -> dict[str, str]:
    """Return the groups that the file states, by name of the picture."""
    rows = zip(file.table["imageid"], file.table["group"], strict=True)
    return {name: group for name, group in rows if group}


def _quoted(texts: Sequence[str]) -> list[str]:
    return [repr(text) for text in texts]
