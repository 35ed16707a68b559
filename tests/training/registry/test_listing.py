"""Test the listing of a registry."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.published import Answers, publishable

from steeldefect.bundle.files import SEAL_NAME, Bundle
from steeldefect.errors import BundleError
from steeldefect.stores import S3Settings
from training.__main__ import main
from training.registry.listing import describe_registry
from training.registry.promotion import PromoteOptions, promote

S3 = S3Settings()


@pytest.fixture
def bundles(rule_bundle: Bundle, tmp_path: Path) -> list[Bundle]:
    return [
        publishable(
            rule_bundle,
            tmp_path / name,
            Answers(quality),
            created_at=datetime(2026, 3, day, 4, 5, tzinfo=UTC),
        )
        for name, quality, day in (("old", 0.6, 1), ("new", 0.8, 2))
    ]


def test_aliases_and_bundles_are_shown(
    bundles: list[Bundle], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = str(tmp_path / "registry")
    for bundle in bundles:
        promote(PromoteOptions(str(bundle.folder), registry, "production", note="nightly"), S3)
    promote(PromoteOptions(str(bundles[0].folder), registry, "staging"), S3)
    assert main(["list", "--registry", registry]) == 0
    lines = capsys.readouterr().out.splitlines()
    old, new = (bundle.digest[:12] for bundle in bundles)
    assert lines[0].split() == [
        *("alias", "bundle", "since", "(UTC)", "by", "promotions", "forced", "note"),
    ]
    assert lines[1].startswith(f"production  {new}  2")
    assert lines[1].endswith("nightly")
    assert lines[2].startswith(f"staging     {old}  2")
    assert lines[3] == ""
    scores = {one.name: one.value for one in bundles[1].manifest.held_out_scores[:5]}
    assert lines[5].startswith(f"{new}  production  new     2026-03-02 04:05  ")
    assert f"{scores['positives_dice']:.4f}" in lines[5]
    assert lines[6].startswith(f"{old}  staging     old     2026-03-01 04:05  ")
    assert len(lines) == 7


def test_what_is_damaged_is_shown_and_what_is_half_there_is_not(
    bundles: list[Bundle], tmp_path: Path
) -> None:
    registry = tmp_path / "registry"
    promote(PromoteOptions(str(bundles[0].folder), str(registry), "production"), S3)
    half = registry / "bundles" / ("ab" * 32)
    half.mkdir()
    (half / SEAL_NAME).write_text("half", encoding="utf-8")
    assert "abab" not in describe_registry(str(registry), S3)
    (registry / "bundles" / bundles[0].digest / SEAL_NAME).write_text("bad", encoding="utf-8")
    last = describe_registry(str(registry), S3).splitlines()[-1]
    assert last.startswith(f"{bundles[0].digest[:12]}  production  (damaged)")


def test_where_nothing_lies_there_is_no_registry(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no registry", encoding="utf-8")
    with pytest.raises(BundleError, match=f"no registry at {tmp_path}; .*promote` makes one"):
        describe_registry(str(tmp_path), S3)
