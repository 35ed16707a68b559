"""Keeps a worker process to the cores that Spark gave its task.

Every library would take all cores of the host, in every worker process: eight tasks of eight
threads each on eight cores wait for each other. OpenVINO and TensorFlow are told when models are
opened (`steeldefect.runtimes`); the others here.
"""

from __future__ import annotations

import cv2
import pyarrow as pa
import threadpoolctl


def limit_threads(cores: int) -> None:
    """Limit this process's libraries.

    Args:
        cores: of the task, `spark.task.cpus`.
    """
    cv2.setNumThreads(0)  # no pool at all: pictures are resized in the readers' own threads
    pa.set_cpu_count(cores)
    threadpoolctl.threadpool_limits(limits=cores)  # BLAS and OpenMP, as far as they are loaded
