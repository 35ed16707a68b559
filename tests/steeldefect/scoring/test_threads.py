"""A worker process uses only the cores of its task."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

ASK = """
import json, sys
import cv2, numpy, pyarrow, threadpoolctl
from steeldefect.scoring.threads import limit_threads
limit_threads(int(sys.argv[1]))
pools = [one["num_threads"] for one in threadpoolctl.threadpool_info()]
print(json.dumps([cv2.getNumThreads(), pyarrow.cpu_count(), pools]))
"""


@pytest.mark.parametrize("cores", [1, 2])
def test_libraries_take_no_more_than_the_tasks_cores(cores: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(cores)], capture_output=True, text=True, check=True
    )
    of_opencv, of_arrow, of_blas = json.loads(done.stdout)
    assert of_opencv <= 1
    assert of_arrow == cores
    assert of_blas
    assert max(of_blas) <= cores
