"""Scoring by an alias: each run uses the alias's present bundle, and its rows name the bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.archives import rows
from support.keys import new_key, public_pem
from support.published import Answers, publishable
from support.samples import fill_archive, score_arguments

from jobs.score import main
from steeldefect.bundle.files import Bundle
from steeldefect.stores import S3Settings
from steeldefect.tables.schema import TableName
from training.registry.promotion import PromoteOptions, promote
from training.registry.signing import read_signer

pytestmark = pytest.mark.spark


def test_rows_carry_the_bundle_that_the_alias_stood_for(
    rule_bundle: Bundle, tmp_path: Path
) -> None:
    archive = fill_archive(tmp_path / "archive", 3)
    registry, output = tmp_path / "registry", tmp_path / "output"
    arguments = score_arguments(archive, registry / "production", output)
    first = publishable(rule_bundle, tmp_path / "first", Answers(0.7))
    second = publishable(rule_bundle, tmp_path / "second", Answers(0.8))
    for standing in (first, second):
        promote(PromoteOptions(str(standing.folder), str(registry), "production"), S3Settings())
        assert main(arguments) == 0
    scored = [(row["image_id"], row["bundle"]) for row in rows(output, TableName.IMAGES)]
    assert sorted(scored) == sorted(
        (f"p00{number}.png", bundle.digest) for number in range(3) for bundle in (first, second)
    )


def test_only_what_a_trusted_key_has_signed_is_scored(
    rule_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = fill_archive(tmp_path / "archive", 3)
    registry, output = tmp_path / "registry", tmp_path / "output"
    key = new_key(tmp_path / "plant.pem")
    signer = read_signer(key, lambda: None)
    (tmp_path / "plant.pub.pem").write_text(public_pem(signer))
    bundle = publishable(rule_bundle, tmp_path / "first", Answers(0.7))
    arguments = score_arguments(archive, registry / "production", output)
    trusting = ("--set", f"trusted_keys=[{tmp_path / 'plant.pub.pem'}]")

    promote(PromoteOptions(str(bundle.folder), str(registry), "production"), S3Settings())
    assert main([*arguments, *trusting]) == 3
    refused = capsys.readouterr().err
    assert refused.startswith("error: alias ")
    assert f"trusted_keys has {signer.public.key_id}; promote the bundle with `--sign" in refused
    assert refused.count("\n") == 1
    assert not output.exists()

    promote(
        PromoteOptions(str(bundle.folder), str(registry), "production", signer=signer), S3Settings()
    )
    assert main([*arguments, *trusting]) == 0
    (run,) = rows(output, TableName.RUNS, "settings")
    assert json.loads(run["settings"])["trusted_keys"] == [signer.public.text]
