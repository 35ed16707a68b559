"""Donors, filled masks and whole pictures: gray levels and masks change together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from steeldefect.pictures import run_lengths
from training.compositing.composer import Composer
from training.compositing.donors import Blend, cut_out, varied
from training.compositing.filling import fill
from training.compositing.invented import draw_look, kind_of
from training.compositing.layouts import Deck, Layout
from training.compositing.looks import FilledMasks, Found, WholeDonors, find_donors
from training.compositing.poisson import margin_of
from training.compositing.regions import find_regions
from training.compositing.textures import DrawnTextures, PictureTextures
from training.data.dataset import DataSet

Mask = npt.NDArray[np.bool_]


@pytest.fixture(scope="module")
def donors(plant_data: DataSet) -> list[Found]:
    return find_donors(plant_data.pictures)


def clean(plant_data: DataSet) -> PictureTextures:
    return PictureTextures.of([one for one in plant_data.pictures if not one.defective])


def layouts(plant_data: DataSet) -> list[Layout]:
    return [Layout(one.shape, one.runs, one.name) for one in plant_data.pictures if one.runs]


def deck(plant_data: DataSet, seed: int = 3) -> Deck:
    shown = layouts(plant_data)
    return Deck(shown, [Layout(shown[0].shape, {}, "clean")], 0.0, seed)


def test_every_region_of_every_labelled_picture_is_a_donor(
    donors: list[Found], plant_data: DataSet
) -> None:
    pixels = sum(int(mask.sum()) for one in donors for mask in one.region.masks.values())
    runs = [runs for one in plant_data.pictures for runs in one.runs.values()]
    assert pixels == sum(run_lengths.area(one) for one in runs)
    assert {one.picture.name for one in donors} == {
        one.name for one in plant_data.pictures if one.runs
    }


def test_a_donor_is_its_regions_masks_with_a_margin(donors: list[Found]) -> None:
    for one in donors[:12]:
        donor = cut_out(*one)
        margin = margin_of(one.region.shape[0])
        assert {number: int(mask.sum()) for number, mask in donor.masks.items()} == {
            number: int(mask.sum()) for number, mask in one.region.masks.items()
        }
        assert (donor.cover[donor.mask] == 1).all()
        grown = [
            side - tight for side, tight in zip(donor.mask.shape, one.region.size, strict=True)
        ]
        assert max(grown) <= 2 * margin
        assert donor.excess.shape == donor.cover.shape == donor.mask.shape


def test_donors_tell_dark_from_bright(plant_data: DataSet, donors: list[Found]) -> None:
    """The excess in the mask has the sign of the contrast that the picture shows there."""
    agree = []
    for one in donors:
        picture, region = one.picture.read(), one.region
        mask = np.zeros(picture.shape, dtype=bool)
        rows, columns = region.size
        mask[region.top : region.top + rows, region.left : region.left + columns] = region.mask
        around = ~np.any([run_lengths.to_mask(r, mask.shape) for r in one.picture.runs.values()], 0)
        near = np.zeros_like(mask)
        near[:, max(0, region.left - 12) : region.left + columns + 12] = True
        contrast = picture[mask].mean() / picture[around & near].mean() - 1
        donor = cut_out(*one)
        if abs(contrast) > 0.15:
            agree.append(np.sign(contrast) == np.sign(donor.excess[donor.mask].mean()))
    assert len(agree) > 10
    assert np.mean(agree) > 0.9


def test_a_varied_donor_changes_masks_and_gray_levels_alike(donors: list[Found]) -> None:
    rng = np.random.default_rng(1)
    changed = 0
    for one in donors:
        donor = cut_out(*one)
        # where the mask is, and nowhere else, the look is 1: it must stay above one half there
        marked = np.where(donor.mask, np.float32(1), np.float32(0))
        twin = varied(rng, type(donor)(**{**vars(donor), "excess": marked}), one.region.shape)
        changed += twin.mask.shape != donor.mask.shape or bool((twin.mask != donor.mask).any())
        level = twin.excess.max()
        assert twin.excess[twin.mask].min() >= 0.49 * level
        blended = twin.cover > 0
        assert twin.excess[blended & ~twin.mask].max(initial=0) <= 0.51 * level
        assert set(twin.masks) == set(donor.masks)
        if one.region.edges:
            assert twin.mask.shape == donor.mask.shape
    assert changed > len(donors) / 2


def test_a_mask_is_filled_with_the_look_alone() -> None:
    rng = np.random.default_rng(5)
    of = np.zeros((20, 30), dtype=bool)
    of[4:16, 5:25] = True
    look = np.where(of, rng.uniform(1, 2, of.shape), -9).astype(np.float32)
    mask = np.zeros((64, 180), dtype=bool)
    mask[10:50, 20:160] = True
    mask[30:40, 5:20] = True
    filled = fill(rng, mask, look, of)
    assert filled.min() >= 1
    assert filled.max() <= 2
    assert 0.2 < filled[mask].std() < 0.35, "the grain of the look stays: uniform has 0.29"


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (64, 2)])
def test_the_smallest_masks_are_filled(size: tuple[int, int]) -> None:
    look = np.full((9, 9), 3, dtype=np.float32)
    filled = fill(np.random.default_rng(0), np.ones(size, bool), look, np.eye(9, dtype=bool))
    np.testing.assert_array_equal(filled, np.full(size, 3, np.float32))


def test_drawn_looks_are_for_every_class() -> None:
    assert [kind_of(number) for number in (1, 2, 3, 4, 5, 9)] == [1, 2, 3, 4, 1, 1]
    for number in (1, 2, 3, 7):
        look, of = draw_look(np.random.default_rng(number), number, 64)
        assert look.shape == of.shape
        assert of.any()
        assert abs(float(look[of].mean())) > 0.02
        assert np.isfinite(look).all()


@pytest.mark.parametrize("number", range(8))
def test_masks_say_exactly_where_a_picture_was_changed(
    plant_data: DataSet, donors: list[Found], number: int
) -> None:
    """Inside the masks the steel is replaced; beyond the margins, it is untouched."""
    looks = WholeDonors(donors)
    composer = Composer(deck(plant_data), clean(plant_data), looks, seed=number)
    made = composer.make(number)
    without = Composer(deck(plant_data), clean(plant_data), _NoDefect(looks), number).make(number)
    union = np.any(list(made.masks.values()), axis=0)
    assert made.picture.dtype == np.uint8
    assert made.picture.shape == union.shape == (64, 400)
    far = _away(union) >= 1.12 * margin_of(64) + 1  # margins grow with the masks
    np.testing.assert_array_equal(made.picture[far], without.picture[far])
    differs = np.abs(made.picture.astype(int) - without.picture)[union]
    assert np.mean(differs > 0) > 0.7
    names = {one.name: one for one in plant_data.pictures}
    assert not names[made.ground].defective
    assert all(names[name].runs for name in made.donors)


class _NoDefect:
    """Looks that change nothing: their donors are those of other looks, without contrast."""

    def __init__(self, looks: WholeDonors) -> None:
        self._looks = looks

    def choose(self, rng: np.random.Generator, region):  # noqa: ANN001, ANN202
        donor = self._looks.choose(rng, region)
        nothing = {"excess": np.zeros_like(donor.excess), "blend": Blend.SHADE}
        return type(donor)(**{**vars(donor), **nothing})


def _away(mask: Mask) -> npt.NDArray[np.float64]:
    """Return the distance of each pixel from the mask, in pixels."""
    return np.asarray(ndimage.distance_transform_edt(~mask))


def test_a_real_mask_keeps_its_form_when_it_is_filled(
    plant_data: DataSet, donors: list[Found]
) -> None:
    looks = FilledMasks([one for one in donors if one.region.classes == {3}])
    for number, blend in ((3, Blend.CLONE), (4, Blend.SHADE)):
        runs = {number: next(one.runs[number] for one in plant_data.pictures if number in one.runs)}
        (region, *_) = find_regions(runs, (64, 400))
        donor = looks.choose(np.random.default_rng(2), region)
        rows, columns = (np.flatnonzero(donor.mask.any(axis=axis)) for axis in (1, 0))
        tight = donor.mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        np.testing.assert_array_equal(tight, region.mask)
        assert donor.blend is blend
        assert bool(donor.names) is (blend is Blend.CLONE)


def test_without_pictures_steel_and_looks_are_drawn(plant_data: DataSet) -> None:
    made = Composer(deck(plant_data), DrawnTextures(), FilledMasks([]), seed=1).make(4)
    assert made.picture.shape == (64, 400)
    assert (made.ground, made.group, made.donors, made.others) == ("", "", (), ())
    assert made.masks
