"""Limit the libraries of a worker process to the cores of its task.

By default, each library uses all cores of the host in every worker process: on eight cores, eight
tasks with eight threads each would slow each other down. OpenVINO and TensorFlow get their limit
when models are opened (`steeldefect.runtimes`). This module limits the other libraries.
"""

from __future__ import annotations

import cv2
import pyarrow as pa
import threadpoolctl


def limit_threads(cores: int) -> None:
    """Limit the libraries of this process.

    Args:
        cores: number of cores of a task (`spark.task.cpus`).
    """
    cv2.setNumThreads(0)  # no thread pool: the reader threads resize pictures themselves
    pa.set_cpu_count(cores)
    threadpoolctl.threadpool_limits(limits=cores)  # BLAS and OpenMP, if they are loaded
