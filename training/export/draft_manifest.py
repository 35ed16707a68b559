"""Create the draft of a bundle's manifest, before the models are measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from steeldefect.bundle import manifest
from steeldefect.evaluation.metrics import CONVENTION
from steeldefect.versions import versions
from training.data.dataset import DataSet
from training.recipe import GateKind, Recipe


def draft_manifest(
    classes: Sequence[manifest.DefectClass],
    gate: manifest.Gate | None,
    segmenter: manifest.Segmenter,
    picture_sizes: manifest.PictureSizes,
    training: manifest.TrainingRecord,
    novelty: manifest.Novelty | None = None,
) -> manifest.Manifest:
    """Create a manifest with versions and time; scores and files are still empty.

    The format is the lowest that has what the manifest holds, so that older versions open it.
    """
    made = manifest.Manifest(
        format_version=manifest.READABLE_FORMATS[-1],
        created_at=datetime.now(UTC).replace(microsecond=0),
        classes=list(classes),
        gate=gate,
        segmenter=segmenter,
        novelty=novelty,
        picture_sizes=picture_sizes,
        metric_convention=CONVENTION,
        held_out_scores=[],
        training=training,
        versions=versions(),
        files={},
    )
    return manifest.with_lowest_format(made)


def draft_of_fit(
    dataset: DataSet,
    counts: Mapping[str, int],
    recipe: Recipe,
    notes: Sequence[str],
    minutes: float,
    novelty: manifest.Novelty | None = None,
) -> manifest.Manifest:
    """Create the draft manifest of a fit, with the thresholds of the recipe.

    Args:
        dataset: data set of the fit.
        counts: number of pictures in each part of the split.
        recipe: recipe with fixed input sizes.
        notes: notes on the fit for readers of the bundle.
        minutes: minutes that the models took to fit.
        novelty: how pictures are recognised that look like no clean picture; None if they are not.
    """
    settings = recipe.segmenter
    classes = [
        manifest.DefectClass(
            id=number,
            name=name,
            pixel_threshold=settings.pixel_threshold,
            min_area=settings.min_area,
        )
        for number, name in dataset.class_names.items()
    ]
    gate = None
    if recipe.gate.kind is not GateKind.NONE:
        gate = manifest.Gate(
            input=recipe.gate.spec,
            threshold=recipe.gate.threshold,
            shared=recipe.gate.kind is GateKind.SHARED,
        )
    record = manifest.TrainingRecord(
        recipe_name=recipe.name,
        recipe=recipe.model_dump(mode="json"),
        seed=recipe.seed,
        data_fingerprint=dataset.fingerprint,
        pictures=dict(counts),
        notes=list(notes),
        minutes=round(minutes, 2),
    )
    segmenter = manifest.Segmenter(input=settings.spec, mirrors=list(settings.mirrors))
    if novelty is not None and not recipe.learns_classes:
        classes = [novelty.unknown]
        gate = manifest.Gate(input=settings.spec, threshold=novelty.limit, shared=True)
    return draft_manifest(classes, gate, segmenter, _sizes(dataset), record, novelty)


def _sizes(dataset: DataSet) -> manifest.PictureSizes:
    heights = [picture.shape[0] for picture in dataset.pictures]
    widths = [picture.shape[1] for picture in dataset.pictures]
    return manifest.PictureSizes(
        height=(min(heights), max(heights)), width=(min(widths), max(widths))
    )
