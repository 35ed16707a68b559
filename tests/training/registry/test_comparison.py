"""Test the comparison of two bundles: results, refusals, and the table."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.published import EVERYTHING, Answers, publishable, table_of

from steeldefect.bundle.files import Bundle
from steeldefect.errors import BundleError, PromotionError, SettingsError
from steeldefect.stores import S3Settings
from training.__main__ import main
from training.evaluation.held_out_csv import HELD_OUT_NAME, read_held_out
from training.registry.comparison import Comparison, Contender, compare, find_contender
from training.registry.comparison_table import describe, lay_out

GOOD, BETTER = Answers(0.7), Answers(0.85, seed=1)


def contender(bundle: Bundle) -> Contender:
    return find_contender(str(bundle.folder), S3Settings())


@pytest.fixture
def good(rule_bundle: Bundle, tmp_path: Path) -> Bundle:
    return publishable(rule_bundle, tmp_path / "good", GOOD)


@pytest.fixture
def better(rule_bundle: Bundle, tmp_path: Path) -> Bundle:
    return publishable(rule_bundle, tmp_path / "better", BETTER)


@pytest.fixture
def comparison(good: Bundle, better: Bundle) -> Comparison:
    return compare(contender(good), contender(better))


def test_a_clearly_better_bundle_is_told_from_chance(comparison: Comparison) -> None:
    figure = comparison.figure("positives_dice")
    assert figure is not None
    assert figure.interval is not None
    lower, upper = figure.interval
    assert 0 < lower < (figure.difference or 0) < upper
    assert figure.difference == pytest.approx((figure.second or 0) - (figure.first or 0))
    assert (comparison.pictures, comparison.groups, comparison.unoutlined) == (80, 40, 4)


def test_the_figures_are_those_of_the_manifest(comparison: Comparison, good: Bundle) -> None:
    own = {(one.name, one.class_id): one.value for one in good.manifest.held_out_scores}
    assert {(one.name, one.class_id): one.first for one in comparison.figures} == own
    assert {one.class_name for one in comparison.figures} == {None, "bright", "dark"}


def test_the_same_bundle_twice_differs_by_nothing(good: Bundle) -> None:
    comparison = compare(contender(good), contender(good))
    assert {one.difference for one in comparison.figures} == {0.0}
    assert {one.interval for one in comparison.figures} == {(0.0, 0.0)}


def test_a_gate_on_one_side_has_no_difference(
    good: Bundle, rule_bundle: Bundle, tmp_path: Path
) -> None:
    gateless = publishable(rule_bundle, tmp_path / "gateless", replace(GOOD, gate=False))
    comparison = compare(contender(good), contender(gateless))
    recall = comparison.figure("gate_recall")
    assert recall is not None
    assert (recall.second, recall.difference, recall.interval) == (None, None, None)
    verdict = comparison.figure("verdict_recall")
    assert verdict is not None
    assert verdict.difference is not None


@pytest.mark.parametrize(
    ("answers", "training", "reason"),
    [
        (BETTER, {"data_fingerprint": "others"}, "were trained on different data"),
        (replace(BETTER, first=2), {}, "on different pictures: p000.png, p001.png, p080.png"),
        (replace(BETTER, pictures=78), {}, "on different pictures: p078.png, p079.png"),
        (None, {}, f"carries no {HELD_OUT_NAME}"),
    ],
)
def test_what_was_not_held_out_alike_is_not_compared(
    answers: Answers | None,
    training: dict[str, str],
    reason: str,
    good: Bundle,
    rule_bundle: Bundle,
    tmp_path: Path,
) -> None:
    other = publishable(rule_bundle, tmp_path / "other", answers, training=training)
    for sides in ((good, other), (other, good)):
        with pytest.raises(PromotionError, match=f"{reason}.*--data DIR --split FILE"):
            compare(*map(contender, sides))


@pytest.mark.parametrize(
    ("find", "put", "reason"),
    [
        (r",2,(\d+),(\d+),(\d+),", r",3,\1,\2,\3,", "different classes"),
        (r"^p000.png,g0,1,0.05,0,1,0,0,1000,", "p000.png,g0,1,0.05,0,1,0,0,900,", "true masks"),
        (r"^(p018.png,g9),1", r"\1,0", "true masks"),
    ],
)
def test_other_truth_is_noticed(find: str, put: str, reason: str, good: Bundle) -> None:
    first = contender(good)
    altered, count = re.subn(find, put, GOOD.to_csv(), flags=re.MULTILINE)
    assert count
    second = replace(first, rows=read_held_out(altered.encode(), "altered"))
    with pytest.raises(PromotionError, match=reason):
        compare(first, second)


def test_the_table_names_both_and_marks_what_leaves_out_zero(comparison: Comparison) -> None:
    text = lay_out(comparison)
    lines = text.splitlines()
    assert re.match(r"A  [0-9a-f]{12}  recipe good  /.*/good$", lines[0])
    assert re.match(r"B  [0-9a-f]{12}  recipe better  /.*/better$", lines[1])
    assert lines[2].startswith("on 80 held-out pictures in 40 groups")
    assert lines[3] == "4 defective pictures without masks count for the gate's metrics alone"
    titles = [line for line in lines[6:] if not line.startswith("  ")]
    assert titles == [
        *("all classes", "class 1 bright", "class 2 dark"),
        *("gate, by picture", "verdict, by picture"),
    ]
    row = next(line for line in lines if line.startswith("  positives_dice"))
    assert re.fullmatch(
        r"  positives_dice +0\.\d{4} +0\.\d{4} +\+0\.\d{4}  \[\+0\.\d{4}, \+0\.\d{4}\] \*", row
    )
    same = next(line for line in lines if line.startswith("  all_empty_dice"))
    assert same.endswith("+0.0000  [+0.0000, +0.0000]")
    assert not any(line.endswith(" ") for line in lines)


def test_a_figure_in_words(comparison: Comparison) -> None:
    figure = comparison.figure("positives_dice")
    assert figure is not None
    plain = figure.model_copy(
        update={"first": 0.7, "second": 0.6, "difference": -0.1, "interval": (-0.2, -0.1)}
    )
    assert describe(plain) == (
        "positives_dice 0.7000 -> 0.6000 (-0.1000, 95% interval [-0.2000, -0.1000])"
    )
    nothing = plain.model_copy(update={"second": None, "difference": None, "interval": None})
    assert describe(nothing) == "positives_dice 0.7000 -> - (-)"


def test_the_command_prints_the_table_and_writes_the_numbers(
    good: Bundle, better: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "numbers.json"
    assert main(["compare", str(good.folder), str(better.folder), "--json", str(file)]) == 0
    shown = capsys.readouterr().out
    assert good.digest[:12] in shown
    assert better.digest[:12] in shown
    written = Comparison.model_validate(json.loads(file.read_text(encoding="utf-8")))
    assert lay_out(written) == shown.rstrip("\n")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--data", "."], "--data and --split go together"),
        (["--split", "x.csv"], "--data and --split go together"),
        (["--fold", "1"], "give --data and --split"),
    ],
)
def test_halves_of_arguments_are_refused(
    good: Bundle, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(good.folder)
    assert main(["compare", folder, folder, *more]) == SettingsError.exit_code
    assert message in capsys.readouterr().err


def test_no_bundle_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert main(["compare", nowhere, nowhere]) == BundleError.exit_code
    assert f"error: no bundle at {nowhere}" in capsys.readouterr().err


def test_altered_answers_are_refused(good: Bundle) -> None:
    file = good.folder / HELD_OUT_NAME
    file.write_text(file.read_text(encoding="utf-8").replace(",1000,", ",999,"), encoding="utf-8")
    with pytest.raises(BundleError, match=f"{HELD_OUT_NAME} does not match its sha256"):
        contender(good)


def test_what_is_read_is_what_was_written() -> None:
    rows = GOOD.rows()
    written = table_of(GOOD.to_csv())
    assert len(rows.pictures) == written["ImageId"].nunique() == 80
    assert len(rows.pairs) == (written["tp"] != "").sum() == 152
    assert rows.class_ids == (1, 2)
    assert rows.has_gate
    assert not replace(GOOD, gate=False).rows().has_gate
    assert rows.pairs[["tp", "fp", "fn"]].to_numpy().max() < EVERYTHING
    assert rows.passed.tolist() == [
        flag == "1" for flag in written.drop_duplicates("ImageId")["passed"]
    ]
    shuffled = written.sample(frac=1, random_state=0).to_csv(index=False)
    again = read_held_out(shuffled.encode(), "shuffled")
    assert again.pairs.equals(rows.pairs)
    assert again.pictures.equals(rows.pictures)


def test_names_and_groups_stay_text() -> None:
    lines = GOOD.to_csv().splitlines()
    text = "\n".join([lines[0], "007,NA,True,,True,1,1,2,3,4", "NA,1.0,False,,False,1,0,0,0,4"])
    rows = read_held_out(text.encode(), "odd names")
    assert rows.pictures.index.tolist() == ["007", "NA"]
    assert rows.pictures["group"].tolist() == ["NA", "1.0"]
    assert rows.defective.tolist() == [True, False]


@pytest.mark.parametrize(
    ("find", "put", "reason"),
    [
        ("tp", "hits", "no column tp"),
        ("p001.png,g0,0,", "p001.png,g0,maybe,", "defective: expected True or False"),
        ("p003.png", "p001.png", "more than one row for a picture and class"),
        (",1000,", ",many,", "many"),
        (",2,", ",two,", "two"),
    ],
)
def test_a_malformed_table_is_refused(find: str, put: str, reason: str) -> None:
    text = GOOD.to_csv().replace(find, put)
    with pytest.raises(BundleError, match=f"bundle here: {HELD_OUT_NAME}: .*{reason}"):
        read_held_out(text.encode(), "here")


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(BundleError, match="No columns"):
        read_held_out(b"", "here")
