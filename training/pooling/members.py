"""Open bundles that shall become one, and check that they belong together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from steeldefect.bundle.fetch import fetch_bundle
from steeldefect.bundle.files import Bundle, ModelForm, ModelName
from steeldefect.bundle.manifest import Manifest
from steeldefect.errors import BundleError, DataError, SettingsError
from steeldefect.runtimes.keras_files import load_keras_model
from steeldefect.settings import validate
from steeldefect.stores import S3Settings
from training.backend import keras
from training.data.dataset import DataSet
from training.recipe import Recipe
from training.splitting.split import SPLIT_NAME, Parts, read_split
from training.splitting.views import find_near_duplicates, join_groups

_ALIKE: dict[str, Callable[[Manifest], object]] = {
    "classes": lambda one: one.class_names,
    "inputs of the segmenters": lambda one: one.segmenter.input,
    "mirrored copies": lambda one: one.segmenter.mirrors,
    "inputs of the gates": lambda one: one.gate and one.gate.input,
    "kinds of gates": lambda one: one.shares_network,
    "judgements of novelty": lambda one: one.novelty is not None,
}


@dataclass(frozen=True)
class Member:
    """A bundle with the parts of its split.

    Attributes:
        bundle: the opened bundle.
        parts: the pictures it was fitted on, and those that it was not.
    """

    bundle: Bundle
    parts: Parts

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.bundle.manifest

    def model(self, name: ModelName) -> keras.Model:
        """Load a model of the bundle, as Keras has it."""
        return load_keras_model(self.bundle.model_path(name, ModelForm.KERAS))

    @property
    def recipe(self) -> Recipe:
        """The recipe of the fit, with fixed input sizes."""
        return recipe_of(self.bundle)


def recipe_of(bundle: Bundle) -> Recipe:
    """Return the recipe of a bundle's fit, with fixed input sizes.

    Raises:
        BundleError: this version does not know a setting of the recipe.
    """
    try:
        return validate(Recipe, dict(bundle.manifest.training.recipe), "recipe")
    except SettingsError as error:
        raise BundleError(
            f"bundle {bundle.digest[:12]}: {error}; use the version that fitted it, or a newer one"
        ) from None


def open_members(addresses: Sequence[str], dataset: DataSet, s3: S3Settings) -> list[Member]:
    """Open bundles that were fitted on one data set.

    Args:
        addresses: two or more folders, S3 addresses or aliases.
        dataset: the data set.
        s3: settings of the S3 connection.

    Raises:
        BundleError: there is no bundle, it is altered, or the bundles cannot be one.
        DataError: a bundle was fitted on other data, or holds no split.
    """
    bundles = [fetch_bundle(one, s3) for one in addresses]
    digests = [one.digest for one in bundles]
    if len(set(digests)) < max(2, len(digests)):
        raise BundleError("name two or more bundles, and each of them once")
    _refuse_unlike(bundles)
    groups = _groups(dataset)
    return [_member(one, dataset, groups) for one in bundles]


def open_member(address: str, dataset: DataSet, s3: S3Settings) -> Member:
    """Open one bundle that was fitted on a data set.

    Raises:
        BundleError: there is no bundle, it is altered, or has learnt no classes.
        DataError: it was fitted on other data, or holds no split.
    """
    bundle = fetch_bundle(address, s3)
    _refuse_unlike([bundle])
    return _member(bundle, dataset, _groups(dataset))


def _groups(dataset: DataSet) -> dict[str, str]:
    return join_groups(dataset.pictures, find_near_duplicates(dataset.pictures))


def _member(bundle: Bundle, dataset: DataSet, groups: Mapping[str, str]) -> Member:
    name = bundle.digest[:12]
    if bundle.manifest.training.data_fingerprint != dataset.fingerprint:
        raise DataError(
            f"bundle {name} was fitted on other data than {dataset.folder}; give the data folder "
            "of the fits, unchanged"
        )
    path = bundle.folder / SPLIT_NAME
    if not path.exists():
        raise DataError(f"bundle {name} holds no split; export it again")
    return Member(bundle, read_split(path, dataset.pictures).regrouped(groups))


def _refuse_unlike(bundles: Sequence[Bundle]) -> None:
    first = bundles[0]
    if not recipe_of(first).learns_classes:
        raise BundleError(
            f"bundle {first.digest[:12]} has learnt no classes: there are no class maps to join or "
            "to calibrate"
        )
    for name, of in _ALIKE.items():
        for other in bundles[1:]:
            if of(first.manifest) != of(other.manifest):
                raise BundleError(
                    f"bundles {first.digest[:12]} and {other.digest[:12]} differ in: {name}; "
                    "fit them with one recipe, on one data folder"
                )
