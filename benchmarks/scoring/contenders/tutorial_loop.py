"""Score with the loop of the tutorial: one picture at a time, two calls of Keras' `predict` each.

Errors of the tutorial are corrected, so that answers can be compared: gray values and thresholds
are those of the bundle, all classes are reported, and masks have the size of the picture.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from pathlib import Path

from benchmarks.scoring.contenders import fused
from benchmarks.scoring.contenders.task import read_task, write_answers
from steeldefect.bundle.files import Bundle, ModelForm, ModelName, open_bundle
from steeldefect.detection.detector import Detector
from steeldefect.pictures.preprocessing import Float32
from steeldefect.runtimes import DeviceChoice, Engine, Precision, Runtime, RuntimeChoice
from steeldefect.runtimes.keras_files import load_model_of_pictures


class KerasPredict(Runtime):
    """A model that runs with Keras' own `predict`."""

    engine = Engine(RuntimeChoice.TENSORFLOW, DeviceChoice.CPU, Precision.F32, batch_size=32)

    def __init__(self, path: Path, gate: Path | None) -> None:
        """Load the model; see `load_model_of_pictures`."""
        self._model = load_model_of_pictures(path, gate)

    def predict(self, batch: Float32) -> Float32:
        """Run the model; see `steeldefect.runtimes.Runtime`."""
        answer: Float32 = self._model.predict(batch, verbose=0)
        return answer


def main() -> None:
    """Score all pictures of the task, and write the answers."""
    task = read_task()
    bundle = open_bundle(task.bundle)
    models = [_open(bundle, name) for name in (ModelName.GATE, ModelName.SEGMENTER)]
    detector = Detector(bundle.manifest, *models, any_size=True)
    write_answers(task, [one for path in task.paths for one in fused.score(detector, [path])])


def _open(bundle: Bundle, model: ModelName) -> KerasPredict:
    form = ModelForm.KERAS
    return KerasPredict(bundle.model_path(model, form), bundle.shared_gate(form))


if __name__ == "__main__":
    main()
