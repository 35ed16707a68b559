"""Set up the libraries of a worker process: the cores of its task, and the memory they free.

By default, each library uses all cores of the host in every worker process: on eight cores, eight
tasks with eight threads each would slow each other down. OpenVINO and TensorFlow get their limit
when models are opened (`steeldefect.runtimes`). This module limits the other libraries.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

import cv2
import pyarrow as pa
import threadpoolctl

_MMAP_THRESHOLD, _MMAP_BYTES = -3, 32 * 2**20  # glibc's number, and the greatest value it takes
_TRIM_THRESHOLD, _TRIM_BYTES = -1, 32 * 2**20


def limit_threads(cores: int) -> None:
    """Limit the libraries of this process.

    Args:
        cores: number of cores of a task (`spark.task.cpus`).
    """
    cv2.setNumThreads(0)  # no thread pool: the reader threads resize pictures themselves
    pa.set_cpu_count(cores)
    threadpoolctl.threadpool_limits(limits=cores)  # BLAS and OpenMP, if they are loaded


def keep_freed_memory() -> None:
    """Let this process keep memory that it has freed, up to 32 MiB, for its next arrays.

    Every picture needs some arrays of a megabyte. By default, the C library asks the operating
    system for such an array and hands it back, and the system clears each page anew. Only glibc has
    these settings; elsewhere, nothing changes. Source: mallopt(3).
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _MMAP_BYTES)
        library.mallopt(_TRIM_THRESHOLD, _TRIM_BYTES)
