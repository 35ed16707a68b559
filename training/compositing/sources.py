"""Gather what pictures may be made from: the train part, textures and masks. Nothing held out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steeldefect.errors import DataError
from steeldefect.program.progress import say
from training.compositing.layouts import Deck, Layout
from training.compositing.looks import FilledMasks, Found, Looks, WholeDonors, find_donors
from training.compositing.masks import MaskFile, read_mask_file
from training.compositing.order import Order
from training.compositing.regions import Shape
from training.compositing.screening import screen
from training.compositing.textures import DrawnTextures, PictureTextures, Textures
from training.data.dataset import DataSet, LabelledPicture, read_dataset
from training.splitting.split import parts_of_file
from training.synthetic.defects import CLASS_NAMES
from training.synthetic.strip import StripSettings

Facts = dict[str, Any]


@dataclass(frozen=True)
class Sources:
    """What pictures are made from.

    Attributes:
        class_names: names of the classes by id.
        deck: layouts.
        textures: clean steel.
        looks: looks of the defects.
        pictures: the pictures that may be used, by name.
        facts: where all this is from, for the record of the folder.
    """

    class_names: Mapping[int, str]
    deck: Deck
    textures: Textures
    looks: Looks
    pictures: Mapping[str, LabelledPicture]
    facts: Facts


@dataclass(frozen=True)
class _Plant:
    """The labelled pictures of a plant: all, those that may be used, those that must not be."""

    dataset: DataSet
    usable: tuple[LabelledPicture, ...]
    held_out: tuple[LabelledPicture, ...]
    facts: Facts


def gather(order: Order) -> Sources:
    """Read everything that an order names, and check that pictures can be made from it.

    Raises:
        DataError: a file or folder cannot be used; no usable picture is clean, or shows a defect;
            or masks are of larger pictures than the plant's.
        SettingsError: strips of the masks' size cannot be drawn.
        BundleError: the bundle cannot be opened.
    """
    if order.like is None:
        return _drawn(order)
    plant = _read_plant(order.like, order.split_file, order.fold)
    textures, texture_facts = _textures(order, plant)
    donors = find_donors(plant.usable)
    looks: Looks
    if order.masks:
        shape = order.mask_size or _only_shape(plant.dataset)
        files = _mask_files(order, shape, plant.dataset.class_names, plant.held_out)
        layouts = [layout for file in files for layout in file.layouts]
        looks = FilledMasks(donors)
    else:
        files, layouts, looks = [], _layouts_of(plant.usable), WholeDonors(donors)
        _refuse_no_donor(plant, donors)
    deck = _deck(order, layouts, _clean_share(order, plant.usable, layouts))
    _refuse_larger(deck, textures, plant.dataset)
    facts = {"like": plant.facts, "textures": texture_facts, "masks": _mask_facts(files)}
    known = {one.name: one for one in (*plant.usable, *textures.pictures)}
    return Sources(plant.dataset.class_names, deck, textures, looks, known, facts)


def _drawn(order: Order) -> Sources:
    """Gather masks alone: steel and looks are drawn."""
    shape = order.mask_size or (0, 0)
    textures = DrawnTextures()
    textures.fitting(shape)
    files = _mask_files(order, shape, CLASS_NAMES, ())
    layouts = [layout for file in files for layout in file.layouts]
    deck = _deck(order, layouts, _clean_share(order, (), layouts))
    facts = {"like": None, "textures": None, "masks": _mask_facts(files)}
    return Sources(CLASS_NAMES, deck, textures, FilledMasks([]), {}, facts)


def _read_plant(folder: Path, split_file: Path | None, fold: int | None) -> _Plant:
    dataset = read_dataset(folder)
    facts: Facts = {"folder": folder.resolve().name, "fingerprint": dataset.fingerprint}
    if split_file is None:
        say(
            f"all {len(dataset.pictures)} pictures of {folder} are used; with --split, only those "
            "of the train part"
        )
        return _Plant(dataset, dataset.pictures, (), {**facts, "part": "all", "split": None})
    parts = parts_of_file(dataset, split_file, fold)
    digest = hashlib.sha256(split_file.read_bytes()).hexdigest()
    facts |= {"part": "train", "split": digest, "fold": fold}
    return _Plant(dataset, parts.train, (*parts.validation, *parts.test), facts)


def _textures(order: Order, plant: _Plant) -> tuple[PictureTextures, Facts]:
    clean = tuple(picture for picture in plant.usable if not picture.defective)
    facts: Facts = {"labelled": len(clean)}
    if order.textures:
        found = screen(order.textures, plant.dataset.pictures, plant.usable, order.bundle)
        say(
            f"{len(found.clean)} of {found.seen} textures are used: {found.test}; {found.known} "
            "show what labelled pictures show"
        )
        clean += found.clean
        facts |= {
            "unlabelled": found.seen,
            "known": found.known,
            "used": len(found.clean),
            "test": found.test,
        }
    if not clean:
        raise DataError(
            f"no usable picture of {plant.dataset.folder} is clean, so there is no steel to put "
            "defects on; label clean pictures, or give a folder of pictures with --textures"
        )
    return PictureTextures.of(clean), facts


def _layouts_of(pictures: Sequence[LabelledPicture]) -> list[Layout]:
    return [Layout(one.shape, one.runs, one.name) for one in pictures if one.outlined]


def _refuse_no_donor(plant: _Plant, donors: Sequence[Found]) -> None:
    if not donors:
        raise DataError(
            f"no usable picture of {plant.dataset.folder} shows a defect with a mask; outline "
            "some, or give masks with --masks"
        )


def _only_shape(dataset: DataSet) -> Shape:
    shapes = sorted({picture.shape for picture in dataset.pictures})
    if len(shapes) > 1:
        raise DataError(
            f"the pictures of {dataset.folder} have {len(shapes)} sizes; give that of the masks: "
            "--mask-size HEIGHTxWIDTH"
        )
    return shapes[0]


def _mask_files(
    order: Order,
    shape: Shape,
    class_names: Mapping[int, str],
    held_out: Sequence[LabelledPicture],
) -> list[MaskFile]:
    files = [read_mask_file(path, shape, class_names, held_out) for path in order.masks]
    if not any(layout.runs for file in files for layout in file.layouts):
        raise DataError(
            "no usable mask in "
            + ", ".join(file.name for file in files)
            + ": all cells are empty, "
            "or belong to held-out pictures"
        )
    return files


def _mask_facts(files: Sequence[MaskFile]) -> list[Facts]:
    return [
        {
            "file": file.name,
            "sha256": file.digest,
            "pictures": len(file.layouts),
            "held_out": file.left_out,
        }
        for file in files
    ]


def _clean_share(
    order: Order, pictures: Sequence[LabelledPicture], layouts: Sequence[Layout]
) -> float:
    """Return the share of clean pictures: as ordered, as in the masks, as in the pictures.

    A file of masks states it only if it names clean pictures, by empty cells.
    """
    if order.clean_share is not None:
        return order.clean_share
    if order.masks:
        stated = sum(not layout.runs for layout in layouts)
        if stated:
            return stated / len(layouts)
    if pictures:
        return sum(not one.defective for one in pictures) / len(pictures)
    return StripSettings().clean_share


def _deck(order: Order, layouts: Sequence[Layout], clean_share: float) -> Deck:
    defective = [layout for layout in layouts if layout.runs]
    clean = [layout for layout in layouts if not layout.runs]
    clean = clean or [Layout(one.shape, {}, one.name) for one in defective]
    return Deck(defective, clean, clean_share, order.seed)


def _refuse_larger(deck: Deck, textures: PictureTextures, dataset: DataSet) -> None:
    """Refuse layouts of pictures that no texture can fill."""
    for shape in sorted({layout.shape for layout in (*deck.defective, *deck.clean)}):
        if not textures.fitting(shape):
            height, width = max(picture.shape for picture in dataset.pictures)
            raise DataError(
                f"masks of pictures of {shape[0]}x{shape[1]} are larger than the clean pictures of "
                f"{dataset.folder} (largest picture {height}x{width}; height x width); give masks "
                "of such pictures, or larger pictures with --textures"
            )
