"""Run all steps for some pictures, one after the other: what a user passes to `map_batches`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.scoring.contenders.task import Answer, answered
from benchmarks.scoring.material import LIMITS
from steeldefect.detection.detector import Detector
from steeldefect.pictures.decoding import decode_gray


def score(detector: Detector, paths: Sequence[str]) -> list[Answer]:
    """Read, decode, gate, segment and outline pictures, one step after the other."""
    pictures = [decode_gray(Path(path).read_bytes(), LIMITS) for path in paths]
    prepared = [detector.prepare(picture) for picture in pictures]
    probabilities = detector.gate(prepared)
    passes = detector.passes(probabilities)
    passing = [one for one, ok in zip(prepared, passes, strict=True) if ok]
    found = iter(detector.segment(passing, probabilities[passes]))
    return [
        answered(path, True, next(found)) if ok else answered(path, False)
        for path, ok in zip(paths, passes, strict=True)
    ]


def to_text(answer: Answer) -> str:
    """Return an answer as JSON, for data frames that hold text."""
    return json.dumps(asdict(answer))


def from_text(text: str) -> Answer:
    """Return the answer of a JSON text."""
    return Answer(**json.loads(text))
