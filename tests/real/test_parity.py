"""OpenVINO and TensorFlow on real strips: the tutorial's models, the same masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.samples import BY_HAND, ROOT

from steeldefect.bundle.files import Bundle
from steeldefect.bundle.manifest import DefectClass, Gate, PictureSizes, Segmenter
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector
from steeldefect.detection.outline import Outline
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.pictures.preprocessing import Gray
from steeldefect.pictures.run_lengths import to_mask
from steeldefect.runtimes import RuntimeChoice, RuntimeOptions

pytestmark = pytest.mark.real

PICTURES = 50
TOLERANCE = 1e-4  # of all pixels and classes


@pytest.fixture(scope="module")
def strips(real_data: Path) -> list[Gray]:
    paths = sorted((real_data / "severstal_unlabelled" / "images").iterdir())[:PICTURES]
    return [decode_gray(path.read_bytes(), DecodeLimits(10**7)) for path in paths]


@pytest.fixture(scope="module")
def tutorial_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The tutorial's architectures with weights at random: their masks are as ragged as can be."""
    from training.backend import keras
    from training.export.draft_manifest import draft_manifest
    from training.export.staging import Models
    from training.export.write_bundle import write_bundle
    from training.models import build_gate, build_segmenter
    from training.recipe import read_recipe

    recipe = read_recipe(ROOT / "conf" / "recipes" / "tutorial.yaml", ["gate.weights=null"])
    keras.utils.set_random_seed(7)
    models = Models(build_gate(recipe.gate)[0], build_segmenter(recipe.segmenter, classes=4)[0])
    draft = draft_manifest(
        classes=[DefectClass(id=number, name=f"defect {number}") for number in (1, 2, 3, 4)],
        gate=Gate(input=recipe.gate.spec, threshold=recipe.gate.threshold),
        segmenter=Segmenter(input=recipe.segmenter.spec),
        picture_sizes=PictureSizes(height=(256, 256), width=(1600, 1600)),
        training=BY_HAND,
    )
    return write_bundle(tmp_path_factory.mktemp("bundles") / "tutorial", models, draft)


def masks_of(detector: Detector, strips: list[Gray]) -> tuple[np.ndarray, np.ndarray]:
    """Give gate probabilities (n,) and masks bool (n, 4, H, W)."""
    prepared = [detector.prepare(strip) for strip in strips]
    drawn = np.zeros((len(strips), 4, *strips[0].shape), dtype=bool)
    probabilities = detector.gate(prepared)
    for place, outline in enumerate(detector.segment(prepared, probabilities)):
        assert isinstance(outline, Outline)
        for finding in outline.findings:
            class_place = finding.defect_class.id - 1
            drawn[place, class_place] = to_mask(finding.runs, strips[0].shape)
    return probabilities, drawn


def test_both_runtimes_draw_the_same_masks(tutorial_bundle: Bundle, strips: list[Gray]) -> None:
    answers = [
        masks_of(open_detector(tutorial_bundle, RuntimeOptions(runtime=choice, threads=0)), strips)
        for choice in (RuntimeChoice.OPENVINO, RuntimeChoice.TENSORFLOW)
    ]
    (gate, masks), (other_gate, other_masks) = answers
    assert 0.01 < masks.mean() < 0.99
    assert np.abs(gate - other_gate).max() < 1e-4
    assert (masks != other_masks).mean() <= TOLERANCE
