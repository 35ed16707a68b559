"""Keep the layers that cost most accuracy out of int8, with nncf's accuracy control.

    python benchmarks/sparing.py --bundle BUNDLE --data DIR

nncf quantises the segmenter, and then takes layers back, those first that change the masks most,
until the pooled Dice with the masks of the f32 form reaches 0.98. Ranges are measured on pictures
of the train part, masks compared on the others. Prints Dice and CPU milliseconds of a picture on
one core for bf16, int8 as exported, and int8 without those layers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from steeldefect.bundle.files import Bundle, ModelForm, ModelName, open_bundle
from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.pictures.preprocessing import Float32, Gray, prepare
from steeldefect.program.command import CommandParser, local_path, run_command
from steeldefect.runtimes import Precision, RuntimeOptions, choose_engine
from steeldefect.runtimes.openvino import OpenVinoRuntime
from training.data.dataset import read_dataset
from training.export.evidence import LEAST_MASK_DICE
from training.export.quantise import least_and_greatest, outermost
from training.export.time_forms import this_cpu, time_forms
from training.splitting.files import read_split
from training.splitting.split import SPLIT_NAME


def main() -> int:
    """Quantise, print the table, and return the exit code."""
    parser = CommandParser(prog="python benchmarks/sparing.py", description=__doc__)
    parser.add_argument("--bundle", type=local_path, required=True, help="folder of the bundle")
    parser.add_argument("--data", type=local_path, required=True, help="labelled pictures")
    return run_command(parser, _run)


def _run(options: argparse.Namespace) -> None:
    bundle = open_bundle(options.bundle)
    parts = read_split(bundle.folder / SPLIT_NAME, read_dataset(options.data).pictures)
    shown = [one.read() for one in parts.train[:128]]
    compared = [one.read() for one in (*parts.validation, *parts.test)]
    paths = {
        "bf16": bundle.model_path(ModelName.SEGMENTER, ModelForm.OPENVINO),
        "int8": bundle.model_path(ModelName.SEGMENTER, ModelForm.OPENVINO_INT8),
    }
    with tempfile.TemporaryDirectory() as folder:
        paths["int8, sparing"] = Path(folder) / "segmenter.xml"
        kept = _spare(bundle, paths["bf16"], paths["int8, sparing"], shown, compared)
        print(f"CPU: {this_cpu().name}; {len(compared)} pictures; layers taken back: {kept}\n")
        print("| segmenter | pooled Dice with f32's masks | ms a picture |\n|---|---|---|")
        expected = _masks(bundle, _opened(paths["bf16"], Precision.F32, 0), compared)
        for name, path in paths.items():
            precision = Precision.BF16 if name == "bf16" else Precision.INT8
            found = _masks(bundle, _opened(path, precision, 0), compared)
            timed = {CpuPrecision.INT8: {ModelName.SEGMENTER: _opened(path, precision, 1)}}
            (milliseconds,) = time_forms(timed, bundle.manifest, compared[:4]).values()
            print(f"| {name} | {_dice(expected, found):.4f} | {milliseconds:.1f} |")


def _spare(
    bundle: Bundle, source: Path, target: Path, shown: Sequence[Gray], compared: Sequence[Gray]
) -> int:
    """Write the model that nncf makes; return the number of layers that it took back."""
    import nncf

    spec = bundle.manifest.segmenter.input
    model = ov.Core().read_model(source)
    exact = _opened(source, Precision.F32, 0)
    known: dict[bytes, Any] = {}

    def inputs(picture: Gray) -> Float32:
        return prepare(picture, spec)[None]

    def agreement(compiled: Any, chosen: Iterable[Gray]) -> tuple[float, None]:
        expected, found = [], []
        for picture in chosen:  # nncf gives what is in the data set, before `inputs`
            batch, key = inputs(picture), picture.tobytes()
            if key not in known:
                known[key] = _above(bundle, exact.predict(batch))
            expected.append(known[key])
            found.append(_above(bundle, compiled(batch)[compiled.output(0)]))
        return _dice(np.concatenate(expected), np.concatenate(found)), None

    quantised = nncf.quantize_with_accuracy_control(
        model,
        nncf.Dataset(shown, inputs),
        nncf.Dataset(compared, inputs),
        agreement,
        max_drop=1 - LEAST_MASK_DICE,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(shown),
        ignored_scope=nncf.IgnoredScope(names=outermost(model), validate=False),
        advanced_quantization_parameters=nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=least_and_greatest()
        ),
    )
    ov.save_model(quantised, target, compress_to_fp16=False)
    return _rounded(
        ov.Core().read_model(bundle.model_path(ModelName.SEGMENTER, ModelForm.OPENVINO_INT8))
    ) - _rounded(quantised)


def _rounded(model: Any) -> int:
    """Count the places where a model rounds to int8."""
    return sum(one.get_type_name() == "FakeQuantize" for one in model.get_ops())


def _opened(path: Path, precision: Precision, threads: int) -> OpenVinoRuntime:
    return OpenVinoRuntime(
        path, choose_engine(RuntimeOptions(precision=precision, threads=threads))
    )


def _masks(bundle: Bundle, model: OpenVinoRuntime, pictures: Sequence[Gray]) -> Any:
    spec = bundle.manifest.segmenter.input
    return _above(bundle, model.predict(np.stack([prepare(one, spec) for one in pictures])))


def _above(bundle: Bundle, maps: Float32) -> Any:
    """Return the pixels above the thresholds, at the size of the maps: bool (n, h, w, classes)."""
    return maps > np.array([one.pixel_threshold for one in bundle.manifest.classes], np.float32)


def _dice(one: Any, other: Any) -> float:
    total = int(one.sum() + other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0


if __name__ == "__main__":
    sys.exit(main())
