"""What every contender gets: the same pictures under many keys, and one bundle.

Speed does not depend on what the models have learnt, but whether answers agree does: the models
are fitted for some minutes on labelled strips, so that they outline something. The gate's
threshold is then put where about 55% of the pictures pass, the share of defective ones in the
tutorial's data, in the widest gap there: rounding is not to decide which ones do.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
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

_PASSING = (0.50, 0.60)
_RECIPE = Path("conf/recipes/tutorial.yaml")
_FIT = (
    # the tutorial's rates and epochs need hours; these outline something within minutes
    *("segmenter.optimizer.learning_rate=0.002", "segmenter.optimizer.epsilon=1e-7"),
    *("segmenter.batch_size=4", "segmenter.epochs=40", "segmenter.patience=60"),
    "gate.epochs=8",
)


@dataclass(frozen=True)
class Material:
    """Where things lie.

    Attributes:
        pictures: folder; keys of one round are `0000-NAME.jpg` and so on.
        bundle: folder.
        unique: how many different pictures there are.
        passing: share of them that passes the gate.
    """

    pictures: Path
    bundle: Path
    unique: int
    passing: float

    def keys_file(self, rounds: int) -> Path:
        """Write a table of the keys of the first rounds, for `--inventory`; of 0, one key."""
        path = self.pictures.with_name(f"keys-{rounds}.csv")
        keys = keys_of(self.pictures, rounds) or keys_of(self.pictures, 1)[:1]
        path.write_text("\n".join(["key", *keys]) + "\n", encoding="utf-8")
        return path


def prepare(work: Path, data: Path | None, rounds: int, gate_weights: Path | None) -> Material:
    """Make what is not there yet.

    Args:
        work: folder for all of it; what an earlier call made there is taken as it is.
        data: folder with `severstal` and `severstal_unlabelled`; None: strips are generated.
        rounds: how often each picture is repeated under new keys.
        gate_weights: Keras' ResNet50 weights; None: the gate begins at random weights.
    """
    work.mkdir(parents=True, exist_ok=True)
    labelled = _generated(work / "generated") if data is None else data / "severstal"
    folders = [labelled] if data is None else [labelled, data / "severstal_unlabelled"]
    sources = [path for one in folders for path in sorted((one / "images").glob("*.jpg"))]
    if not sources:
        raise DataError(f"no .jpg below {', '.join(map(str, folders))}")
    pictures = _repeated(work / f"pictures-{rounds}", sources, rounds)
    fitted = work / "fitted"
    if not (fitted / SEAL_NAME).exists():
        _fit(labelled, fitted, gate_weights)
    bundle = work / "bundle"
    if not (bundle / SEAL_NAME).exists():
        _with_threshold(fitted, bundle, [_decoded(path) for path in sources])
    passing = json.loads((work / "passing.json").read_text(encoding="utf-8"))
    return Material(pictures, bundle, len(sources), float(passing))


def add_material_options(parser: argparse.ArgumentParser) -> None:
    """Let a command line say what `prepare` is to make, and where."""
    parser.add_argument("--data", type=local_path, help="labelled strips; default: generated")
    parser.add_argument("--gate-weights", type=local_path, help="Keras' ResNet50 weights")
    parser.add_argument("--work", type=local_path, default=Path("build/bench"))
    parser.add_argument("--rounds", type=positive, default=24, help="repetitions of the pictures")


def told_material(options: argparse.Namespace) -> list[str]:
    """Write those options down, without this machine's folders."""
    folders = (("--data", options.data, "$DATA"), ("--gate-weights", options.gate_weights, "$FILE"))
    given = [f"{flag} {name}" for flag, value, name in folders if value is not None]
    return [*given, f"--rounds {options.rounds}"]


def keys_of(pictures: Path, rounds: int) -> list[str]:
    """Name the pictures of the first rounds, in order."""
    return sorted(path.name for path in pictures.iterdir() if int(path.name[:4]) < rounds)


def _generated(folder: Path) -> Path:
    if not folder.exists():
        _run("training", "generate", "--data", str(folder), "--pictures", "120")
    return folder


def _repeated(folder: Path, sources: list[Path], rounds: int) -> Path:
    if folder.exists():
        return folder
    staging = folder.with_suffix(".part")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    for number in range(rounds):
        for source in sources:
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
    least, most = (round(share * len(pictures)) for share in _PASSING)
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
