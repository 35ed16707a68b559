from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scoring import measuring
from benchmarks.scoring.beside import Beside
from benchmarks.scoring.contenders.task import Answer, Task, write_answers
from benchmarks.scoring.field import contenders
from benchmarks.scoring.measuring import Figures, Steady, agreement
from benchmarks.scoring.results import Results, Spread, read_json, write_json, write_markdown
from benchmarks.watching import BenchmarkError, Watched, watch
from steeldefect.pictures import run_lengths


def test_a_rate_counts_from_a_fifth_of_the_pictures() -> None:
    done = [(100.0, 10), (110.0, 20), (120.0, 60), (130.0, 100)]
    watched = Watched(0.0, cpu=[(100.0, 50.0), (130.0, 80.0)])
    steady = Steady.of(done, watched)
    assert steady.rate == pytest.approx(80 / 20)
    assert steady.cpu_seconds == pytest.approx(20 / 80)


def test_a_rate_needs_more_than_one_point() -> None:
    with pytest.raises(BenchmarkError, match="too few pictures"):
        Steady.of([(100.0, 10)], Watched(0.0, cpu=[(0.0, 0.0)]))


def masks(*columns: int) -> dict[str, str]:
    mask = np.zeros((10, 10), dtype=bool)
    mask[:, columns] = True
    return {"1": run_lengths.encode(mask)}


@pytest.mark.parametrize(
    ("found", "dice"),
    [
        ({"0000-a": masks(0, 1), "0001-a": masks(0, 1)}, 1.0),
        ({"0000-a": masks(0, 1), "0001-a": masks(1, 2)}, 0.75),  # 2 * 30 / 80
        ({"0000-a": {}}, 0.0),
        ({"0000-b": {}}, 1.0),  # nothing where there is nothing
        ({"0000-a": {"2": masks(0, 1)["1"]}}, 0.0),  # of another class
    ],
)
def test_agreement_is_pooled_dice(found: measuring.Masks, dice: float) -> None:
    assert agreement(found, {"0000-a": masks(0, 1), "0000-b": {}}) == pytest.approx(dice)


def test_answers_come_back_as_they_were_written(tmp_path: Path) -> None:
    task = Task(tmp_path, tmp_path, tmp_path / "answers.parquet", 1, None, 2)
    answers = [Answer("0000-b", 2.0, False), Answer("0000-a", 1.0, True, masks(3))]
    write_answers(task, answers)
    read = measuring.answers_of_peer(task.answers)
    assert read.masks == {"0000-a": masks(3), "0000-b": {}}
    assert read.passed == 1
    assert read.done == [(1.0, 1), (2.0, 2)]


def test_what_a_command_used_is_seen(tmp_path: Path) -> None:
    busy = "import time; data = bytearray(200_000_000)\nwhile time.process_time() < 1.5: pass"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    watched = watch(["python3", "-c", child], {}, tmp_path / "log")
    assert watched.ended - watched.began >= 1.5
    assert 1.0 < watched.cpu[-1][1] < 6.0
    assert watched.peaks["worker"] > 200_000_000 > watched.peaks["driver"]


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="ended with 3: out of luck"):
        watch(["python3", "-c", "print('out of luck'); exit(3)"], {}, tmp_path / "log")


@pytest.mark.parametrize("default", ["f32", "int8"])
def test_what_is_compared_runs_one_after_the_other(default: str) -> None:
    names = [one.name for one in contenders(default)]
    for form in ("f32", "int8"):
        assert names.index(f"job-{form}") == names.index(f"bare-{form}") + 1
    start = names.index(f"job-{default}")
    assert {"daft-compiled", "mlflow-compiled", "ray-compiled"} == set(names[start + 1 : start + 4])


def test_figures_become_tables(tmp_path: Path) -> None:
    field = contenders("f32")

    def figures(rate: float) -> Figures:
        stages = {"gate": 3.0, "segment": 1.0, "plan": 9.0}
        return Figures(100, rate, 0.1, 5.0, {"driver": 2**30}, 2**31, 0.55, 0.99, stages)

    rates = {"bare-f32": 20.0, "job-f32": 19.0, "job-one-task": 10.0, "tutorial": 4.0}
    runs = {name: [figures(rate), figures(2 * rate)] for name, rate in rates.items()}
    beside = Beside(1000, 3.0, 1.5, 300.0, 0.5, 1.25, {})
    results = Results("python -m benchmarks.scoring", "f32", 85, runs, [14.0], [beside])
    write_json(results, tmp_path)
    assert read_json(tmp_path) == results
    older = json.loads(next(tmp_path.glob("*.json")).read_text(encoding="utf-8"))
    del older["beside"]  # as earlier versions wrote them
    older["machine"]["CPU"] = "an older CPU, 64 cores"
    (tmp_path / "older.json").write_text(json.dumps(older), encoding="utf-8")
    write_markdown(results, field, tmp_path / "RESULTS.md", tmp_path)
    text = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    own = next(path for path in tmp_path.glob("*.md") if path.name != "RESULTS.md")
    assert own.with_suffix(".json").exists()
    assert own.read_text(encoding="utf-8") == text
    assert "the job at f32 over the bare models: **0.95**" in text
    assert "two tasks at once over one: **1.90**" in text
    assert "the job (f32) over the tutorial's loop: **4.75**" in text
    assert "| **this job**, f32 | 0.0% | 0.0% | 0.0% | 75.0% | 25.0% |" in text
    assert "28.5 (19.0 to 38.0)" in text
    assert "3.00 ms of CPU a picture, 2.00 times `cv2.imdecode`" in text
    assert "| an older CPU, 64 cores | f32 | 30.0 | 28.5 | 0.95 | 100.0 |" in text


def test_a_spread_is_shown_where_there_is_one() -> None:
    assert Spread.of([2.0]).text(1) == "2.0"
    assert Spread.of([1.0, 4.0, 2.0]).text(1) == "2.0 (1.0 to 4.0)"
