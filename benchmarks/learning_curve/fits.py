"""Run the commands of one point of the curve: five folds of some labelled pictures, and their pool.

Every command is printed to standard error, and not run again if what it makes exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.training_command import run_training
from training.data.dataset import read_dataset
from training.splitting.files import read_split

FOLDS = 5
_WEIGHT = 0.5


@dataclass(frozen=True)
class Settings:
    """What all points have in common.

    Attributes:
        out: folder of all files.
        recipe: recipe of all fits.
        overrides: further settings of all fits, `section.setting=value`.
        draws: pictures that each model is shown in a fit; points with fewer pictures get more
            epochs.
        archive: folder of unlabelled pictures; None without.
        made: number of pictures that are made from labelled and unlabelled ones, for each fold.
    """

    out: Path
    recipe: Path
    overrides: Sequence[str]
    draws: int
    archive: Path | None
    made: int


def run_point(data: Path, settings: Settings, *, with_archive: bool) -> None:
    """Fit the folds of a data folder and pool them, as `pool_of` names it.

    With the archive, each fold also learns from pictures that `generate --like` makes from its own
    train part, on unlabelled pictures in which the model without the archive finds nothing.

    Args:
        data: data folder.
        settings: what all points have in common.
        with_archive: whether the archive is used. The point without it must be there.
    """
    split = settings.out / f"{data.name}.csv"
    _run(["split", "--data", str(data), "--out", str(split), "--folds", str(FOLDS)], split)
    pooled = pool_of(data, with_archive=with_archive)
    bundles = [_bundle(data, fold, with_archive=with_archive) for fold in range(FOLDS)]
    for fold, bundle in enumerate(bundles):
        made = _made(data, split, fold, settings) if with_archive else None
        _fit(bundle, data, split, fold, settings, made)
    members = [str(one) for one in bundles]
    _run(["pool", *members, "--as-bundle", str(pooled), "--data", str(data)], pooled)


def pool_of(data: Path, *, with_archive: bool) -> Path:
    """Return the folder of the pool of a data folder's folds."""
    return data.with_name(f"{data.name}_{'archive' if with_archive else 'own'}")


def _bundle(data: Path, fold: int, *, with_archive: bool) -> Path:
    pooled = pool_of(data, with_archive=with_archive)
    return pooled.with_name(f"{pooled.name}_{fold}")


def _made(data: Path, split: Path, fold: int, settings: Settings) -> Path:
    """Make pictures from the train part of a fold and from the archive; return their folder."""
    made = settings.out / f"{data.name}_made_{fold}"
    command = ["generate", "--data", str(made), "--pictures", str(settings.made), "--seed", "1"]
    command += ["--like", str(data), "--split", str(split), "--fold", str(fold)]
    command += ["--textures", str(settings.archive)]
    command += ["--bundle", str(_bundle(data, fold, with_archive=False))]
    _run(command, made, "generated.json")
    return made


def _fit(
    bundle: Path, data: Path, split: Path, fold: int, settings: Settings, made: Path | None
) -> None:
    pictures = len(read_split(split, read_dataset(data).pictures, fold).train)
    if made is not None:
        pictures += settings.made
    epochs = max(1, round(settings.draws / pictures))
    command = ["fit", "--data", str(data), "--split", str(split), "--fold", str(fold)]
    command += ["--recipe", str(settings.recipe), "--bundle", str(bundle)]
    extra = [] if made is None else [f"data.extra=[{{folder: {made}, weight: {_WEIGHT}}}]"]
    lengths = [
        f"{model}.{name}={epochs}"
        for model in ("segmenter", "gate")
        for name in ("epochs", "patience")
    ]
    for setting in [*lengths, *settings.overrides, *extra]:
        command += ["--set", setting]
    _run(command, bundle)


def _run(command: Sequence[str], makes: Path, last: str = "") -> None:
    """Run a command of `training`, unless what it makes exists; `last`: the file it ends with."""
    if (makes / last).exists():
        return
    run_training(command, makes.with_name(f"{makes.name}.log"))
