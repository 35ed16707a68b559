"""`steeldefect score` and `steeldefect evaluate` are the jobs, without a checkout."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.archives import rows
from support.samples import fill_archive, score_arguments

from jobs import evaluate as evaluate_job
from jobs import score as score_job
from steeldefect import cli
from steeldefect.bundle.files import Bundle
from steeldefect.tables.schema import TableName


@pytest.mark.spark
def test_pictures_are_scored_and_compared(
    rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = fill_archive(tmp_path / "pictures", 4), tmp_path / "output"
    assert cli.main(["score", *score_arguments(source, rule_bundle.folder, output)]) == 0
    assert capsys.readouterr().out.startswith("scored 4 pictures (2 with defects, 0 in quarantine")
    found = rows(output, TableName.PREDICTIONS, "image_id", "class_id", "run_lengths")
    lines = [f"{row['image_id']},{row['class_id']},{row['run_lengths']}" for row in found]
    labels = tmp_path / "train.csv"
    labels.write_text("\n".join(["ImageId,ClassId,EncodedPixels", *lines, ""]))
    assert cli.main(["evaluate", "--output", str(output), "--labels", str(labels)]) == 0
    assert "4 pictures compared" in capsys.readouterr().out
    assert len(rows(output, TableName.RUNS)) == 2


def options_of(parser: argparse.ArgumentParser) -> list[tuple[Any, ...]]:
    return [
        (one.option_strings, one.dest, one.default, one.required, one.help)
        for one in parser._actions
    ]


@pytest.mark.parametrize("job", [score_job, evaluate_job], ids=["score", "evaluate"])
def test_a_job_and_its_command_have_the_same_options(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsers: list[argparse.ArgumentParser] = []

    def note(parser: argparse.ArgumentParser, *_: Any) -> int:
        parsers.append(parser)
        return 0

    for module in (job, cli):
        monkeypatch.setattr(module, "run_command", note)
        module.main([])
    [commands] = [one for one in parsers[1]._actions if isinstance(one.choices, dict)]
    of_command = commands.choices[job.__name__.removeprefix("jobs.")]
    options = options_of(of_command)
    assert options_of(parsers[0]) == [one for one in options if one[1] != "run"]
