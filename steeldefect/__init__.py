"""Distributed scoring of archived steel imagery: Keras models, Spark, trusted tables.

    import steeldefect

    detector = steeldefect.open_detector("models/first")
    detector.find("strip.jpg").verdict

Importing this module is fast: each name below is imported when it is first used.
"""

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steeldefect.api.detect import detect
    from steeldefect.api.evaluate import EvaluationResult, evaluate
    from steeldefect.api.open_detector import PictureDetector, open_detector
    from steeldefect.api.open_tables import OpenedTables, QueryResult, open_tables
    from steeldefect.api.picture_result import Finding, PictureResult
    from steeldefect.api.score import ScoreResult, score
    from steeldefect.errors import PictureError, SteelDefectError
    from steeldefect.settings import ScoreSettings

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022  functions first, in the order of the API's page
    "open_detector",
    "score",
    "evaluate",
    "detect",
    "open_tables",
    "PictureDetector",
    "PictureResult",
    "Finding",
    "ScoreResult",
    "EvaluationResult",
    "OpenedTables",
    "QueryResult",
    "ScoreSettings",
    "SteelDefectError",
    "PictureError",
    "__version__",
]

_HOMES = {
    "QueryResult": "steeldefect.api.open_tables",
    "EvaluationResult": "steeldefect.api.evaluate",
    "Finding": "steeldefect.api.picture_result",
    "OpenedTables": "steeldefect.api.open_tables",
    "PictureDetector": "steeldefect.api.open_detector",
    "PictureError": "steeldefect.errors",
    "PictureResult": "steeldefect.api.picture_result",
    "ScoreResult": "steeldefect.api.score",
    "ScoreSettings": "steeldefect.settings",
    "SteelDefectError": "steeldefect.errors",
    "detect": "steeldefect.api.detect",
    "evaluate": "steeldefect.api.evaluate",
    "open_detector": "steeldefect.api.open_detector",
    "open_tables": "steeldefect.api.open_tables",
    "score": "steeldefect.api.score",
}

# OpenVINO and nncf report their use to their makers over the network, unless this package of theirs
# is missing. A plant's use of this program stays private.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
