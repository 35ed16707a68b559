"""What bounds scoring: operations counted by hand, threads that are seen, a table that adds up."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest

from benchmarks.bounds.arithmetic import ModelCost, cost, operations
from benchmarks.bounds.processes import MAIN, OTHERS, Spent, watch_threads
from benchmarks.bounds.writing import Bounds, written
from benchmarks.watching import DRIVER, JVM, BenchmarkError
from steeldefect.bundle.files import ModelName
from steeldefect.runtimes import Precision
from steeldefect.tables.schema import PARTITION


def small_model() -> ov.Model:
    """3x3 convolution of 2 channels to 4 on 6x8 pixels, then a product with 192 x 5 weights."""
    picture = ops.parameter([1, 6, 8, 2], np.float32)
    planes = ops.transpose(picture, np.array([0, 3, 1, 2]))
    kernels = np.ones((4, 2, 3, 3), np.float32)
    found = ops.convolution(planes, kernels, [1, 1], [1, 1], [1, 1], [1, 1])
    flat = ops.reshape(found, np.array([1, 192]), special_zero=False)
    return ov.Model([ops.matmul(flat, np.ones((192, 5), np.float32), False, False)], [picture])


def test_operations_are_multiplications_and_additions() -> None:
    # down 6 rows and across 8 columns, the first and the last of which lack one of three elements
    assert operations(small_model()) == 2 * 4 * 2 * (3 * 6 - 2) * (3 * 8 - 2) + 2 * 192 * 5


def test_zeros_around_a_picture_do_not_count_however_they_are_told() -> None:
    picture = ops.parameter([1, 2, 7, 7], np.float32)
    kernels = np.ones((4, 2, 3, 3), np.float32)
    by_name = ops.convolution(picture, kernels, [2, 2], [0, 0], [0, 0], [1, 1], "same_upper")
    by_number = ops.convolution(picture, kernels, [2, 2], [1, 1], [1, 1], [1, 1])
    counted = [operations(ov.Model([one], [picture])) for one in (by_name, by_number)]
    assert counted[0] == counted[1] == 2 * 4 * 2 * (2 + 3 + 3 + 2) ** 2


def test_layers_that_are_not_counted_are_refused() -> None:
    picture = ops.parameter([1, 2, 6, 8], np.float32)
    kernels = np.ones((2, 1, 1, 3, 3), np.float32)
    apart = ops.group_convolution(picture, kernels, [1, 1], [1, 1], [1, 1], [1, 1])
    with pytest.raises(BenchmarkError, match="GroupConvolution are not counted"):
        operations(ov.Model([apart], [picture]))


def test_transposed_convolutions_count_what_reaches_the_output() -> None:
    picture = ops.parameter([1, 2, 3, 5], np.float32)
    kernels = np.ones((2, 7, 4, 4), np.float32)
    grown = ops.convolution_backprop_data(
        picture, kernels, [2, 2], pads_begin=[1, 1], pads_end=[1, 1], dilations=[1, 1]
    )
    # each input place reaches four rows; one row of the first and one of the last are cut off
    assert list(grown.output(0).get_shape()) == [1, 7, 6, 10]
    assert operations(ov.Model([grown], [picture])) == 2 * 2 * 7 * (4 * 3 - 2) * (4 * 5 - 2)
    apart = ops.group_convolution_backprop_data(
        picture,
        np.ones((2, 1, 1, 4, 4), np.float32),
        [2, 2],
        pads_begin=[1, 1],
        pads_end=[1, 1],
        dilations=[1, 1],
    )
    assert operations(ov.Model([apart], [picture])) == 2 * 2 * (4 * 3 - 2) * (4 * 5 - 2)


def test_a_model_is_measured(tmp_path: Path) -> None:
    ov.save_model(small_model(), tmp_path / "small.xml", compress_to_fp16=False)
    found = cost(tmp_path / "small.xml", Precision.F32)
    assert found.operations == operations(small_model())
    assert 0 < found.seconds < 1
    assert sum(found.kinds.values()) == pytest.approx(1)
    assert any("Convolution" in kind for kind in found.kinds)


_JOB = """
import pathlib, subprocess, sys, threading, time
folder = pathlib.Path(sys.argv[1]) / "images" / "PARTITION=2026-01-01"

def work(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until: pass

if len(sys.argv) > 2:  # the worker: its helper ends before it does
    while not folder.exists(): time.sleep(0.05)
    time.sleep(1.5)
    helper = threading.Thread(target=work, args=[0.6]); helper.start(); helper.join()
    work(1.2)
    time.sleep(1.5)
else:
    worker = subprocess.Popen([sys.executable, __file__, sys.argv[1], "worker"])
    time.sleep(0.8)
    folder.mkdir(parents=True); (folder / "part.parquet").touch()
    sys.exit(worker.wait())
"""


def test_threads_of_all_processes_are_seen(tmp_path: Path) -> None:
    job, output = tmp_path / "job.py", tmp_path / "tables"
    job.write_text(_JOB.replace("PARTITION", PARTITION))
    spent = watch_threads([sys.executable, str(job), str(output)], {}, output, tmp_path / "log")
    assert set(spent.cpu) == {DRIVER, MAIN, OTHERS}
    assert spent.cpu[MAIN] == pytest.approx(1.2, abs=0.3)
    assert spent.cpu[OTHERS] == pytest.approx(0.6, abs=0.3)
    assert spent.cpu[DRIVER] < 0.3
    assert spent.wall > 3


@pytest.mark.parametrize(
    ("program", "said"), [("", "ended without a file"), ("raise SystemExit(3)", "ended with 3")]
)
def test_a_job_that_shows_nothing_is_an_error(tmp_path: Path, program: str, said: str) -> None:
    with pytest.raises(BenchmarkError, match=said):
        watch_threads([sys.executable, "-c", program], {}, tmp_path / "none", tmp_path / "log")


def test_the_document_adds_up() -> None:
    models = {
        ModelName.GATE: ModelCost(10e9, 0.1, {"Convolution a": 0.995, "Pad": 0.005}),
        ModelName.SEGMENTER: ModelCost(4e9, 0.08, {"Convolution a": 0.6, "Concat": 0.4}),
    }
    spent = Spent(100.0, {MAIN: 180.0, OTHERS: 10.0, JVM: 2.0, DRIVER: 0.4})
    text = written("me", Bounds(80e9, 0.5, 2), {Precision.F32: models}, {Precision.F32: spent}, 9)
    assert "multiplies matrices at 80 GFLOP/s" in text
    assert "| gate, f32 | 10.00 | 100.0 | 100 | 125% |" in text
    assert "| segmenter, f32 | 4.00 | 80.0 | 50 | 62% |" in text
    assert "A picture takes 12.00 GFLOP" in text
    assert "here is 100 GFLOP/s" in text, "the gate is faster than the product of matrices"
    assert "2 cores would score 16.7 pictures per second" in text
    assert "- 140.0 ms at f32" in text
    assert "| gate, f32 | 100% Convolution a |" in text
    assert "| f32 | 100 | 90.0% | 5.0% | 1.0% | 0.2% | 3.8% |" in text
