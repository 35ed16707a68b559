"""Judge pictures with anomalib's PaDiM and PatchCore, on the encoder of a bundle.

    python -m benchmarks.anomaly_peers GATE.keras PICTURES.npz SCORES.npz

`benchmarks.unknown_defects --peers PYTHON` runs it, with a Python that has anomalib, and Keras on
PyTorch (`make anomaly-peers`). The encoder is that of the Keras file, with its weights: both models
see the features that the bundle's own novelty sees. PaDiM takes the strides 4, 8 and 16, all
channels. PatchCore takes the strides 8 and 16, and remembers one place of 100: of a random tenth of
all places, anomalib chooses a tenth: its choice compares every place drawn with every place chosen.

PICTURES.npz holds prepared pictures, float32 (n, h, w, 1): `clean`, to fit on, and `judged`.
SCORES.npz gets `padim` and `patchcore`, float32 (judged,): anomalib's scores, higher if odder.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from anomalib.models.image.padim.torch_model import PadimModel
from anomalib.models.image.patchcore.torch_model import PatchcoreModel

_STRIDES = (2, 4, 8, 16, 32)  # of the encoder's outputs
_PADIM = (4, 8, 16)
_PATCHCORE = (8, 16)
_DRAWN = 0.1  # share of all places
_REMEMBERED = 0.1  # share of the places drawn
_AT_A_TIME = 8
_NO_BACKBONE = "resnet18"  # the models insist on one; it is replaced, and never has weights


class Features(torch.nn.Module):
    """The encoder of a bundle, as anomalib asks for one."""

    def __init__(self, gate: keras.Model, strides: tuple[int, ...]) -> None:
        """Take the encoder of a gate."""
        super().__init__()
        encoder = gate.get_layer("encoder")
        rescaled = gate.get_layer("imagenet_range")(gate.input)
        self._encoder = keras.Model(gate.input, encoder(rescaled))
        self._strides = strides

    def forward(self, pictures: Any) -> dict[str, Any]:
        """Return features (n, c, h, w) of pictures (n, 1, h, w), by the name of their stride."""
        features = self._encoder(pictures.permute(0, 2, 3, 1))
        named = dict(zip(_STRIDES, features, strict=True))
        return {f"stride{one}": named[one].permute(0, 3, 1, 2) for one in self._strides}


def main() -> int:
    """Fit both models, judge, write the scores, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("gate", "pictures", "scores"):
        parser.add_argument(name)
    options = parser.parse_args()
    torch.manual_seed(0)
    gate = keras.saving.load_model(options.gate, compile=False, safe_mode=True)
    with np.load(options.pictures) as stored:
        clean, judged = stored["clean"], stored["judged"]
    scores = {
        "padim": _scores(_padim(gate, clean), judged),
        "patchcore": _scores(_patchcore(gate, clean), judged),
    }
    np.savez(options.scores, **scores)
    return 0


def _padim(gate: keras.Model, clean: np.ndarray) -> Any:
    features = Features(gate, _PADIM)
    channels = sum(one.shape[1] for one in features(_tensor(clean[:1])).values())
    model = PadimModel(_NO_BACKBONE, pre_trained=False, n_features=channels)
    model.idx = torch.arange(channels)  # all of them, in place of a random choice
    _look(model, features, clean)
    model.fit()
    return model.eval()


def _patchcore(gate: keras.Model, clean: np.ndarray) -> Any:
    features = Features(gate, _PATCHCORE)
    model = PatchcoreModel(["layer2", "layer3"], _NO_BACKBONE, pre_trained=False)
    _look(model, features, clean)
    places = torch.vstack(model.embedding_store)
    drawn = torch.randperm(len(places))[: int(_DRAWN * len(places))]
    model.embedding_store = [places[drawn]]
    model.subsample_embedding(_REMEMBERED)
    return model.eval()


def _look(model: Any, features: Features, clean: np.ndarray) -> None:
    """Let a model collect the features of clean pictures."""
    model.feature_extractor = features
    model.layers = [f"stride{one}" for one in features._strides]
    model.train()
    features.eval()
    with torch.no_grad():
        for start in range(0, len(clean), _AT_A_TIME):
            model(_tensor(clean[start : start + _AT_A_TIME]))


def _scores(model: Any, pictures: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        found = [
            model(_tensor(pictures[start : start + _AT_A_TIME])).pred_score.reshape(-1)
            for start in range(0, len(pictures), _AT_A_TIME)
        ]
    return torch.cat(found).numpy()


def _tensor(pictures: np.ndarray) -> Any:
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))


if __name__ == "__main__":
    sys.exit(main())
