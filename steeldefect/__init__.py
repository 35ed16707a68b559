"""Distributed scoring of archived steel imagery: Keras models, Spark, trusted tables."""

import sys

__version__ = "0.1.0"

# OpenVINO and nncf tell their makers over the network that they are used, unless this package of
# theirs is missing. That a plant scores its strip is nobody else's business.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
