"""Read the extra pictures of a fit: they join the train part alone, and must show nothing held out.

An extra picture may show what a validation or test picture shows in two ways. Both are refused:

- It is a near-duplicate of that picture: the pixels are compared.
- It was made from that picture: `python -m training generate --like` records its sources in
  `generated.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from steeldefect.errors import DataError
from steeldefect.labels.label_files import listed
from training.data.dataset import DataSet, LabelledPicture, read_dataset
from training.data.generated import read_source_digests
from training.data.picture_weights import read_weights
from training.data.pseudo_record import round_note
from training.recipe import ExtraPictures
from training.splitting.parts import Parts
from training.splitting.views import View, similar_to, views_of


@dataclass(frozen=True)
class Extra:
    """Pictures that join the train part.

    Attributes:
        pictures: the pictures of all folders; the name of each begins with its folder and `/`, so
            that it differs from all names in the data folder of the fit.
        weights: relative frequency of each picture, by its name: the weight of its folder, times
            its own weight in the folder's `weights.csv`. A picture of the train part has 1.
        fingerprints: fingerprint of each folder's data, by the folder as the recipe states it.
        notes: notes on the folders, for the bundle's manifest.
    """

    pictures: tuple[LabelledPicture, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def weight_of(self, picture: LabelledPicture) -> float:
        """Return the relative frequency of a picture; 1 for a picture of the train part."""
        return self.weights.get(picture.name, 1.0)

    def holds(self, picture: LabelledPicture) -> bool:
        """Return whether a picture is an extra one."""
        return picture.name in self.weights


NO_EXTRA = Extra()


def read_extra(settings: Sequence[ExtraPictures], dataset: DataSet, parts: Parts) -> Extra:
    """Read the extra pictures of a recipe, and check them against the held-out pictures.

    Args:
        settings: folders and weights.
        dataset: data set of the fit; extra pictures have its classes.
        parts: parts of the split; validation and test are held out.

    Raises:
        DataError: a folder cannot be read, has classes that `dataset` has not, or shows what a
            held-out picture shows.
    """
    if not settings:
        return NO_EXTRA
    held_out = views_of([*parts.validation, *parts.test], "fingerprints of held-out pictures")
    read = [_read(one, dataset, held_out) for one in settings]
    return Extra(
        pictures=tuple(picture for one in read for picture in one.pictures),
        weights={name: weight for one in read for name, weight in one.weights.items()},
        fingerprints={name: print_ for one in read for name, print_ in one.fingerprints.items()},
        notes=tuple(note for one in read for note in one.notes),
    )


def _read(setting: ExtraPictures, dataset: DataSet, held_out: Sequence[View]) -> Extra:
    folder = Path(setting.folder).expanduser()
    extra = read_dataset(folder)
    _refuse_other_classes(extra, dataset)
    pictures = [replace(one, name=f"{setting.folder}/{one.name}") for one in extra.pictures]
    own = read_weights(folder, extra.pictures)
    _refuse_sources(folder, held_out)
    _refuse_near_duplicates(folder, pictures, held_out)
    return Extra(
        pictures=tuple(pictures),
        weights={f"{setting.folder}/{name}": setting.weight * one for name, one in own.items()},
        fingerprints={setting.folder: extra.fingerprint},
        notes=tuple(_notes(setting, extra, list(own.values()))),
    )


def _notes(setting: ExtraPictures, extra: DataSet, own: Sequence[float]) -> Iterator[str]:
    mean = sum(own) / len(own)
    times = "" if mean == 1 else f" times their own (mean {mean:.2f})"
    yield (
        f"{len(own)} extra pictures of {setting.folder} in the train part, weight "
        f"{setting.weight:g}{times}, data {extra.fingerprint[:12]}"
    )
    note = round_note(extra.folder, setting.folder)
    if note is not None:
        yield note


def _refuse_other_classes(extra: DataSet, dataset: DataSet) -> None:
    shown = {number for picture in extra.pictures for number in picture.runs}
    unknown = sorted(shown - set(dataset.class_names))
    if unknown:
        named = ", ".join(str(number) for number in unknown)
        raise DataError(
            f"extra pictures in {extra.folder} show classes {named}, which {dataset.folder} does "
            "not name; give both folders the same classes.json"
        )


def _refuse_sources(folder: Path, held_out: Iterable[View]) -> None:
    """Refuse pictures that were made from a held-out picture."""
    names = {view.digest: view.name for view in held_out}
    used = sorted(names[one] for one in read_source_digests(folder) if one in names)
    if used:
        raise DataError(
            f"the pictures in {folder} were made from held-out pictures: {listed(used)}; make them "
            "again with --split and --fold of this fit"
        )


def _refuse_near_duplicates(
    folder: Path, pictures: Sequence[LabelledPicture], held_out: Sequence[View]
) -> None:
    views = views_of(pictures, f"fingerprints of {folder.name}")
    pairs = [f"{view.name} ~ {other.name}" for view, other in similar_to(views, held_out)]
    if pairs:
        raise DataError(
            f"{len(pairs)} extra pictures show what held-out pictures show: {listed(pairs)}; take "
            f"them out of {folder}, or split again"
        )
