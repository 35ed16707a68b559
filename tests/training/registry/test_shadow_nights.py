"""Nights as a shadow, asked for by a promotion: too few, too unlike, or with failures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.published import Answers, publishable

from steeldefect.bundle.fetch import fetch_bundle
from steeldefect.bundle.files import Bundle
from steeldefect.stores import S3Settings, open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import Origin, whole_rows
from steeldefect.tables.schema import SCHEMAS, TableName
from training.__main__ import main
from training.registry.shadow_nights import RequiredAgreement, judge_nights

LEADING, SHADOW = "a" * 64, "b" * 64
FIRST = datetime(2026, 5, 1, 1, 30, tzinfo=UTC)
S3 = S3Settings()


def row(table: TableName, **values: Any) -> dict[str, Any]:
    """Return a row whose other columns hold any valid value."""
    made = {}
    for field in SCHEMAS[table].columns:
        numeric = any(one in str(field.type) for one in ("int", "float", "double"))
        made[field.name] = None if field.nullable else (0 if numeric else "")
        if str(field.type) == "bool" and not field.nullable:
            made[field.name] = False
    return made | values


class Nights:
    """Tables to which nights with a shadow are added."""

    def __init__(self, folder: Path) -> None:
        self.uri = str(folder)
        self.tables = Tables(open_store(self.uri))
        self.tables.create_all()

    def add(
        self,
        *,
        day: int,
        same: int = 200,
        other: int = 0,
        failed: int = 0,
        leading: str = LEADING,
        shadow: str = SHADOW,
    ) -> None:
        """Add a night: pictures with the same classes, with other classes, and failed ones."""
        at = FIRST + timedelta(days=day)
        number = self.tables.read(TableName.RUNS).num_rows + 1
        led = Origin(f"led-{number}", leading, at, number)
        beside = Origin(f"beside-{number}", shadow, at, number)
        keys = [f"{day}/p{one}" for one in range(same + other)]
        lost = [f"{day}/lost{one}" for one in range(failed)]
        image = [row(TableName.IMAGES, source="/archive", key=one) for one in [*keys, *lost]]
        agreed = [
            row(
                TableName.AGREEMENT,
                source="/archive",
                key=key,
                class_id=1,
                class_name="bright",
                area=0,
                shadow_area=0 if place < same else 9,
                intersection=0,
                shadow_run=beside.run_id,
                shadow_bundle=shadow,
            )
            for place, key in enumerate(keys)
        ]
        gone = [row(TableName.QUARANTINE, source="/archive", key=one) for one in lost]
        self._write(TableName.RUNS, [row(TableName.RUNS, job="score", scored=len(keys))], led)
        of_shadow = row(TableName.RUNS, job="score", scored=len(keys), shadow_of=led.run_id)
        self._write(TableName.RUNS, [of_shadow], beside)
        self._write(TableName.IMAGES, image, led)
        self._write(TableName.AGREEMENT, agreed, led)
        self._write(TableName.QUARANTINE, gone, beside)

    def _write(self, table: TableName, found: list[dict[str, Any]], origin: Origin) -> None:
        self.tables.replace(table, whole_rows(table, found, origin), {"run_id": origin.run_id})

    def judged(self, nights: int, **more: Any) -> tuple[str, ...]:
        return judge_nights(
            RequiredAgreement(nights, self.uri, **more), SHADOW, LEADING, S3
        ).objections


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path / "tables")


def test_enough_nights_that_agree_are_no_objection(nights: Nights) -> None:
    for day in range(3):
        nights.add(day=day, other=1)
    judged = judge_nights(RequiredAgreement(3, nights.uri), SHADOW, LEADING, S3)
    assert (judged.objections, judged.nights) == ((), 3)
    (same,) = (one for one in judged.figures if one.name == "verdict_agreement")
    assert (same.value, same.support) == (pytest.approx(600 / 603), 603)
    assert "verdict_agreement: 99.50% (95%: " in str(judged)


def test_two_runs_of_a_day_are_one_night(nights: Nights) -> None:
    nights.add(day=0)
    nights.add(day=0)
    (objection,) = nights.judged(2)
    assert f"it was the shadow of {LEADING[:12]} in 1 nights at {nights.uri}, 2 are" in objection


def test_only_the_newest_nights_count(nights: Nights) -> None:
    nights.add(day=0, same=0, other=200)
    nights.add(day=1)
    assert nights.judged(1) == ()
    (objection,) = nights.judged(2)
    assert "verdict_agreement: 50.00%" in objection
    assert "at least 95.00% (--least-agreement)" in objection
    assert nights.judged(2, least=0.4) == ()


def test_nights_beside_another_bundle_do_not_count(nights: Nights) -> None:
    nights.add(day=0, leading="c" * 64)
    nights.add(day=1, shadow="d" * 64)
    (objection,) = nights.judged(1)
    assert "in 0 nights" in objection


def test_pictures_that_failed_are_an_objection(nights: Nights) -> None:
    nights.add(day=0, failed=2)
    (objection,) = nights.judged(1)
    assert objection == f"as a shadow it failed on 2 pictures that {LEADING[:12]} scored"


def test_a_night_on_which_all_pictures_failed_counts_against_it(nights: Nights) -> None:
    nights.add(day=0)
    nights.add(day=1, same=0, failed=9)
    nights.add(day=2)
    objections = nights.judged(2)
    assert objections == (f"as a shadow it failed on 9 pictures that {LEADING[:12]} scored",)
    assert len(nights.judged(3)) == 2  # and the second night is none


def test_nothing_stands(nights: Nights) -> None:
    judged = judge_nights(RequiredAgreement(1, nights.uri), SHADOW, None, S3)
    assert judged.objections == ("nothing stands, so it cannot have been its shadow",)


def test_the_command_asks_for_nights(
    rule_bundle: Bundle, tmp_path: Path, nights: Nights, capsys: pytest.CaptureFixture[str]
) -> None:
    first = publishable(rule_bundle, tmp_path / "first", Answers(0.75))
    better = publishable(rule_bundle, tmp_path / "better", Answers(0.85, seed=1))
    registry = ["--registry", str(tmp_path / "registry"), "--as", "production"]
    assert main(["promote", str(first.folder), *registry]) == 0
    asked = [*registry, "--require-agreement", "1", "--tables", nights.uri]
    assert main(["promote", str(better.folder), *asked]) == 14
    assert "in 0 nights" in capsys.readouterr().err
    assert fetch_bundle(f"{tmp_path}/registry/production", S3).digest == first.digest
    nights.add(day=0, leading=first.digest, shadow=better.digest)
    assert main(["promote", str(better.folder), *asked]) == 0
    assert "as a shadow of what stands, in 1 nights:" in capsys.readouterr().out
    assert fetch_bundle(f"{tmp_path}/registry/production", S3).digest == better.digest


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--require-agreement", "3"], "go together"),
        (["--tables", "/tables"], "go together"),
        (["--least-agreement", "0.9"], "go together"),
        (["--require-agreement", "0", "--tables", "/tables"], "at least 1 night"),
        (
            ["--require-agreement", "1", "--tables", "/tables", "--least-agreement", "95"],
            "a share from 0 to 1",
        ),
    ],
)
def test_wrong_options_are_refused(
    options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["promote", "bundle", "--registry", "r", "--as", "production", *options]) == 2
    assert problem in capsys.readouterr().err
