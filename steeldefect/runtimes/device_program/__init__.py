"""One program per model that does everything on the device, on any back end of Keras.

program = SegmenterProgram(model, manifest.segmenter, planes_of(manifest.classes), placement, 64)
for masks in program.masks(batches):    # batches of uint8 pictures; reads ahead
    masks[0].mask(0)                    # bool (H, W): the first class on the first picture

Nothing here imports TensorFlow: Keras imports the back end that `KERAS_BACKEND` names.
"""

from steeldefect.runtimes.device_program.answers import PictureMasks
from steeldefect.runtimes.device_program.compiling import Placement
from steeldefect.runtimes.device_program.models import (
    GateProgram,
    Pictures,
    SegmenterProgram,
    SizedPictures,
)
from steeldefect.runtimes.device_program.program import Plane, planes_of
from steeldefect.runtimes.device_program.queue import DeviceQueue

__all__ = [
    "DeviceQueue",
    "GateProgram",
    "PictureMasks",
    "Pictures",
    "Placement",
    "Plane",
    "SegmenterProgram",
    "SizedPictures",
    "planes_of",
]
