"""Gather what candidates are judged by: labelled pictures, limits, and the models if there are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steeldefect.bundle.files import Bundle, open_bundle
from steeldefect.detection.open_detector import open_detector
from steeldefect.errors import DataError, SettingsError
from training.data.dataset import DataSet, read_dataset
from training.data.pseudo_record import next_round
from training.pseudo_labels.candidates import Archive
from training.pseudo_labels.evidence import Limits, stated_limits
from training.pseudo_labels.known import Known
from training.pseudo_labels.measure import measure
from training.pseudo_labels.mirrors import OPTIONS, Mirrors, open_without_mirrors
from training.pseudo_labels.order import PseudoOrder
from training.splitting.parts import SPLIT_NAME, Parts
from training.splitting.split import parts_of_file


@dataclass(frozen=True)
class Judge:
    """What candidates are judged by.

    Attributes:
        class_names: classes that labels may have, names by id.
        limits: how sure labels must be.
        known: pictures that must not be taken.
        mirrors: the test on mirrored copies; None without models.
        round: number of the round; None if nobody knows it.
        facts: where all this is from, for the record of the folder.
    """

    class_names: Mapping[int, str]
    limits: Limits
    known: Known
    mirrors: Mirrors | None
    round: int | None
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class _Labelled:
    """The labelled pictures.

    Attributes:
        dataset: all of them.
        parts: parts of their split; None if no split is known.
        facts: fingerprints of both, for the record.
    """

    dataset: DataSet
    parts: Parts | None
    facts: Mapping[str, Any]

    def known(self) -> Known:
        """Read what is compared of each; without a split, none is held out."""
        if self.parts is None:
            return Known((), self.dataset.pictures)
        return Known((*self.parts.validation, *self.parts.test), self.parts.train)


def make_judge(order: PseudoOrder, archive: Archive) -> Judge:
    """Read the labelled pictures, and choose how sure labels must be.

    Raises:
        DataError: labelled pictures or split cannot be read, or classes differ.
        SettingsError: the models are of another bundle, or no split is known for them.
        BundleError: the models cannot be opened.
        InferenceError: a model's output is not finite.
    """
    if order.models is None:
        return _stated(_read_labelled(order, archive, order.split_file), order, archive)
    bundle = _open(order.models, archive)
    labelled = _read_labelled(order, archive, order.split_file or _split_of(bundle))
    return _measured(labelled, order, bundle)


def _stated(labelled: _Labelled, order: PseudoOrder, archive: Archive) -> Judge:
    """Judge by a probability that somebody stated."""
    names = labelled.dataset.class_names
    probability = order.least_probability or 0.0
    limits = stated_limits(probability, tuple(names), archive.gate_threshold)
    return Judge(names, limits, labelled.known(), None, None, labelled.facts)


def _measured(labelled: _Labelled, order: PseudoOrder, bundle: Bundle) -> Judge:
    """Judge by what the bundle answers on the validation part."""
    validation = () if labelled.parts is None else labelled.parts.validation
    limits = measure(open_detector(bundle, OPTIONS), validation).limits(order.precision)
    return Judge(
        class_names=labelled.dataset.class_names,
        limits=limits,
        known=labelled.known(),
        mirrors=Mirrors(open_without_mirrors(bundle), limits),
        round=next_round(bundle.manifest.training.notes),
        facts=labelled.facts,
    )


def _read_labelled(order: PseudoOrder, archive: Archive, split_file: Path | None) -> _Labelled:
    dataset = read_dataset(order.data)
    _refuse_other_classes(dataset, archive)
    parts = None if split_file is None else parts_of_file(dataset, split_file, order.fold)
    split = None if split_file is None else _sha256(split_file)
    facts = {"data": dataset.fingerprint, "split": split, "fold": order.fold}
    return _Labelled(dataset, parts, facts)


def _open(folder: Path, archive: Archive) -> Bundle:
    bundle = open_bundle(folder)
    if bundle.digest != archive.bundle:
        raise SettingsError(
            f"{folder} is bundle {bundle.digest[:12]}, but the answers are of "
            f"{archive.bundle[:12]}; give --models the folder of that bundle"
        )
    return bundle


def _refuse_other_classes(dataset: DataSet, archive: Archive) -> None:
    if dict(dataset.class_names) != dict(archive.class_names):
        raise DataError(
            f"classes differ: {dataset.folder} has {_listed(dataset.class_names)}, bundle "
            f"{archive.bundle[:12]} has {_listed(archive.class_names)}; give --data the folder "
            "that the bundle was fitted on, or one with the same classes.json"
        )


def _listed(names: Mapping[int, str]) -> str:
    return ", ".join(f"{number} {name}" for number, name in sorted(names.items())) or "none"


def _split_of(bundle: Bundle) -> Path:
    """Return the split in the folder of a bundle.

    Raises:
        SettingsError: the folder holds none.
    """
    path = bundle.folder / SPLIT_NAME
    if not path.exists():
        raise SettingsError(f"{bundle.folder} holds no {SPLIT_NAME}; give the split with --split")
    return path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
