"""Create what every contender gets: the same pictures under many keys, and one bundle.

The models are fitted for some minutes on labelled strips, so that they find defects and answers can
be compared. (The speed does not depend on what they have learnt.) Then the threshold of the gate is
set so that about 55% of the pictures pass: the share of defective pictures in the tutorial's data.
It is set in the widest gap between two probabilities, so that rounding does not decide.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steeldefect.bundle.files import SEAL_NAME, describe_files, open_bundle, seal_bundle
from steeldefect.detection.open_detector import open_detector
from steeldefect.errors import DataError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.pictures.preprocessing import Gray
from steeldefect.program.command import local_path, positive
from steeldefect.runtimes import Precision, RuntimeOptions

LIMITS = DecodeLimits(50_000_000)

PASSING = (0.50, 0.60)
"""Least and greatest share of the pictures that a gate lets pass."""
_RECIPE = Path("conf/recipes/tutorial.yaml")
_FIT = (
    # the tutorial's rates and epochs need hours; these outline something within minutes
    *("segmenter.optimizer.learning_rate=0.002", "segmenter.optimizer.epsilon=1e-7"),
    *("segmenter.batch_size=4", "segmenter.epochs=40", "segmenter.patience=60"),
    "gate.epochs=8",
)


@dataclass(frozen=True)
class Material:
    """Pictures and bundle of a measurement.

    Attributes:
        pictures: folder of the pictures; keys of the first round are `0000-NAME.jpg`.
        bundle: folder of the bundle.
        unique: number of different pictures.
        passing: share of them that pass the gate.
    """

    pictures: Path
    bundle: Path
    unique: int
    passing: float

    def keys_file(self, rounds: int) -> Path:
        """Write the keys of the first rounds for `--inventory`; with 0 rounds, a single key."""
        path = self.pictures.with_name(f"keys-{rounds}.csv")
        keys = keys_of(self.pictures, rounds) or keys_of(self.pictures, 1)[:1]
        path.write_text("\n".join(["key", *keys]) + "\n", encoding="utf-8")
        return path


def prepare(work: Path, data: Path | None, rounds: int, gate_weights: Path | None) -> Material:
    """Create pictures and bundle, unless an earlier call has created them.

    Args:
        work: folder for pictures and bundle.
        data: folder with `severstal` and `severstal_unlabelled`; None: strips are generated.
        rounds: number of times that each picture is repeated, under new keys.
        gate_weights: file of Keras' ResNet50 weights; None: the gate starts from random weights.
    """
    strips = sources(work, data)
    labelled = _labelled(work, data)
    pictures = _repeated(work / f"pictures-{rounds}", strips, rounds)
    fitted = work / "fitted"
    if not (fitted / SEAL_NAME).exists():
        _fit(labelled, fitted, gate_weights)
    bundle = work / "bundle"
    if not (bundle / SEAL_NAME).exists():
        _with_threshold(fitted, bundle, [_decoded(path) for path in strips])
    passing = json.loads((work / "passing.json").read_text(encoding="utf-8"))
    return Material(pictures, bundle, len(strips), float(passing))


def sources(work: Path, data: Path | None) -> list[Path]:
    """Return the different strips of a measurement.

    Args:
        work: folder for generated strips.
        data: folder with `severstal` and `severstal_unlabelled`; None: strips are generated.
    """
    work.mkdir(parents=True, exist_ok=True)
    labelled = _labelled(work, data)
    folders = [labelled] if data is None else [labelled, data / "severstal_unlabelled"]
    found = [path for one in folders for path in sorted((one / "images").glob("*.jpg"))]
    if not found:
        raise DataError(f"no .jpg below {', '.join(map(str, folders))}")
    return found


def _labelled(work: Path, data: Path | None) -> Path:
    return _generated(work / "generated") if data is None else data / "severstal"


def linked(folder: Path, paths: Sequence[Path], rounds: int) -> Path:
    """Fill a folder with links to pictures, `rounds` times under new names, and return it."""
    if not folder.exists():
        first = _repeated(folder.with_name(f"{folder.name}-first"), paths, 1)
        staging = folder.with_suffix(".part")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        for number in range(rounds):
            for path in first.iterdir():
                os.link(path, staging / f"{number:04d}{path.name[4:]}")
        staging.rename(folder)
    return folder


def add_material_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `prepare` to a command line."""
    parser.add_argument(
        "--data", type=local_path, help="folder of labelled strips; default: generate strips"
    )
    parser.add_argument("--gate-weights", type=local_path, help="file of Keras' ResNet50 weights")
    parser.add_argument("--work", type=local_path, default=Path("build/bench"))
    parser.add_argument("--rounds", type=positive, default=24, help="repetitions of the pictures")


def told_material(options: argparse.Namespace) -> list[str]:
    """Return these options as text, with variables in place of the folders of this machine."""
    folders = (("--data", options.data, "$DATA"), ("--gate-weights", options.gate_weights, "$FILE"))
    given = [f"{flag} {name}" for flag, value, name in folders if value is not None]
    return [*given, f"--rounds {options.rounds}"]


def keys_of(pictures: Path, rounds: int) -> list[str]:
    """Return the keys of the first rounds, in order."""
    return sorted(path.name for path in pictures.iterdir() if int(path.name[:4]) < rounds)


def _generated(folder: Path) -> Path:
    if not folder.exists():
        _run("training", "generate", "--data", str(folder), "--pictures", "120")
    return folder


def _repeated(folder: Path, paths: Sequence[Path], rounds: int) -> Path:
    if folder.exists():
        return folder
    staging = folder.with_suffix(".part")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    for number in range(rounds):
        for source in paths:
            shutil.copyfile(source, staging / f"{number:04d}-{source.name}")
    return staging.rename(folder)


def _fit(data: Path, bundle: Path, gate_weights: Path | None) -> None:
    shutil.rmtree(bundle, ignore_errors=True)
    weights = "null" if gate_weights is None else str(gate_weights)
    settings = [*_FIT, f"gate.weights={weights}"]
    options = ["--data", str(data), "--recipe", str(_RECIPE), "--bundle", str(bundle)]
    _run("training", "fit", *options, *(part for one in settings for part in ("--set", one)))


def _with_threshold(fitted: Path, bundle: Path, pictures: list[Gray]) -> None:
    opened = open_bundle(fitted)
    detector = open_detector(opened, RuntimeOptions(precision=Precision.F32, threads=2))
    prepared = [detector.prepare(picture) for picture in pictures]
    probabilities = np.sort(detector.gate(prepared))[::-1]
    least, most = (round(share * len(pictures)) for share in PASSING)
    gaps = probabilities[least - 1 : most - 1] - probabilities[least:most]
    passing = least + int(np.argmax(gaps))
    threshold = float(probabilities[passing - 1 : passing + 1].mean())
    manifest, gate = opened.manifest, opened.manifest.gate
    if gate is None:
        raise DataError(f"{fitted} has no gate")
    staging = bundle.with_suffix(".part")
    shutil.rmtree(staging, ignore_errors=True)
    shutil.copytree(fitted, staging)
    changed = gate.model_copy(update={"threshold": threshold})
    update = {"gate": changed, "files": describe_files(staging)}
    seal_bundle(staging, manifest.model_copy(update=update))
    share = passing / len(pictures)
    (bundle.parent / "passing.json").write_text(json.dumps(share), encoding="utf-8")
    staging.rename(bundle)


def _decoded(path: Path) -> Gray:
    return decode_gray(path.read_bytes(), LIMITS)


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)
