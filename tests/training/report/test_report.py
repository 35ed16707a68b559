"""Test the training report: its figures equal the held-out table, and it needs no other file."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support.reports import NOTHING, changed, make, scores_of

from steeldefect.bundle.manifest import GateMode
from training.report import Report, write_report
from training.report.doubts import doubts
from training.report.headline import figures
from training.report.outlines import outlines
from training.synthetic import generate


@pytest.fixture(scope="module")
def report(learnable: Path) -> Report:
    return make(learnable)


@pytest.fixture(scope="module")
def text(report: Report) -> str:
    return write_report(report)


class _Page(HTMLParser):
    """Collector of a page's links, headings, table rows and open tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.headings: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "data")]
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag in ("h2", "h3"):
            self.headings.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "data")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data
        elif {"h2", "h3"} & set(self.open):
            self.headings[-1] += data

    def row(self, beginning: str) -> list[str]:
        return next(row for row in self.rows if row and row[0] == beginning)


def cards(text: str) -> list[tuple[str, str]]:
    found = re.findall(r'<div class="card[^"]*"><b>([^<]*)</b><span>([^<]*)</span>', text)
    return [(value, unescape(meaning)) for value, meaning in found]


# -- one file -------------------------------------------------------------------------------------


def test_needs_nothing_from_elsewhere(text: str) -> None:
    assert not re.search(r"https?:|//cdn|@import|url\((?!#)|<script|<link", text)
    page = _Page(text)
    assert page.open == []
    assert page.links
    for link in page.links:
        assert link.startswith(("#", "data:image/jpeg;base64,"))
    ids = Counter(re.findall(r' id="([^"]+)"', text))
    assert set(ids.values()) == {1}
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(ids)


def test_the_same_report_twice(report: Report, text: str) -> None:
    assert write_report(replace(report)) == text


def test_strips_of_full_size_stay_small(tmp_path: Path) -> None:
    generate(tmp_path / "data", 16, seed=3)
    text = write_report(make(tmp_path / "data"))
    assert len(text) < 1_500_000
    assert '<figure class="wide">' in text


def test_sections_in_their_order(text: str) -> None:
    headings = _Page(text).headings
    main = ["What is in doubt", "Learning curves", "Gate", "Segmenter", "Pictures"]
    main += ["Forms for CPUs", "Provenance"]
    assert [one for one in headings if one in main] == main
    assert "gate" in headings
    assert "segmenter" in headings


# -- figures --------------------------------------------------------------------------------------


def test_cards_are_the_tables_metrics(report: Report, text: str) -> None:
    scores = {(one.name, one.class_id): one for one in scores_of(report.held_out)}
    shown = cards(text)
    values = [value for value, _ in shown]
    names = ("positives_dice", "mean_dice", "pooled_dice", "gate_auc", "gate_recall")
    assert values[:5] == [f"{scores[name, None].value:.3f}" for name in names]
    assert values[5:] == ["40", "1.5"]
    told = [meaning for _, meaning in shown]
    assert f"on the {scores['positives_dice', None].support} pairs with truth" in told[0]
    assert f"an empty answer scores {scores['all_empty_dice', None].value:.3f}" in told[1]
    assert told[4] == "gate recall at 0.4; validation 0.950, 95% interval 0.751 to 0.999"
    assert told[5] == "pictures held out: 25 defective, 15 clean"


def test_class_table_is_the_tables_metrics(report: Report, text: str) -> None:
    scores = {(one.name, one.class_id): one for one in scores_of(report.held_out)}
    page = _Page(text)
    for number, name in ((1, "c1"), (2, "c2"), (None, "all classes")):
        row = page.row(name)
        assert row[1] == str(scores["positives_dice", number].support)
        columns = ("positives_dice", "pooled_dice", "iou", "mean_dice", "all_empty_dice")
        expected = [f"{scores[one, number].value:.3f}" for one in columns]
        assert [row[2], *row[5:9]] == expected
        assert row[4] == expected[0]  # on validation: the same table in this test
    assert page.row("c1")[9:] == ["0.50", "0"]


def test_matrix_counts_pictures(report: Report, text: str) -> None:
    each = report.held_out.drop_duplicates("ImageId")
    page = _Page(text)
    for name, truth in (("defective", 1), ("clean", 0)):
        own = each[each["defective"] == truth]
        passed = int(own["passed"].sum())
        cells = [f"{n}{100 * n / len(own):.1f}%" for n in (passed, len(own) - passed) if n]
        assert page.row(name)[1:] == cells


def test_a_soft_gate_is_judged_by_its_threshold(report: Report, text: str) -> None:
    assert report.manifest.gate is not None
    gate = report.manifest.gate.model_copy(update={"mode": GateMode.SOFT, "soft_area": 1500})
    soft = replace(changed(report, gate=gate), held_out=report.held_out.assign(passed=1))
    other = write_report(soft)
    assert [value for value, _ in cards(other)] == [value for value, _ in cards(text)]
    assert _Page(other).row("defective") == _Page(text).row("defective")
    assert "by up to 1,500 pixels" in other
    assert "stopped by the gate" not in other


def test_best_epoch_is_that_of_the_least_finite_loss(text: str) -> None:
    assert "3 epochs; the weights of epoch 2 are kept" in text
    assert "auc: 0.8125 on validation" in text


def test_the_last_epoch_is_told_if_it_was_kept(report: Report) -> None:
    recipe = report.manifest.training.recipe | {"gate": {"keep": "last"}}
    record = report.manifest.training.model_copy(update={"recipe": recipe})
    assert "the weights of epoch 3 are kept" in write_report(changed(report, training=record))


# -- what is in doubt -----------------------------------------------------------------------------


def _doubts(report: Report) -> str:
    return unescape(doubts(report))


def test_doubts(report: Report) -> None:
    notes = {"notes": ["began with random weights"]}
    told = _doubts(changed(report, training=report.manifest.training.model_copy(update=notes)))
    assert "began with random weights" in told
    assert "it may be anywhere from 0.751 to 0.999" in told
    assert "20 defective validation pictures are too few for that; at least 368 would" in told
    assert "The validation loss of the segmenter still fell in its last epoch (2)" in told
    assert "The validation loss of the gate" not in told


def test_doubts_about_an_epoch_that_few_pictures_chose(report: Report) -> None:
    sentence = "12 validation pictures chose the best epoch of the"
    record = report.manifest.training
    few = record.model_copy(update={"pictures": {**record.pictures, "validation": 12}})
    assert f"{sentence} gate and segmenter: on so few" in _doubts(changed(report, training=few))
    last = few.model_copy(update={"recipe": {"gate": {"keep": "last"}}})
    assert f"{sentence} segmenter: on so few" in _doubts(changed(report, training=last))
    assert "chose the best epoch" not in _doubts(report)


def test_doubts_about_classes(folder: Any) -> None:
    folder.picture("a.png", {1: folder.square(2, 3)})
    folder.picture("b.png", {1: folder.square(9, 30)})
    folder.picture("c.png")
    folder.picture("d.png")
    folder.masks_table()
    folder.classes({1: "c1", 2: "c2"})
    folder.table("labels.csv", "ImageId,label", [("c.png", 0), ("d.png", 1)])
    told = _doubts(make(folder.path))
    assert "No held-out picture shows c2" in told
    assert "Few held-out pictures show c1 (2)" in told
    assert "defective without masks: 1." in told


def test_mean_dice_not_above_an_empty_answer(report: Report) -> None:
    table = report.held_out.assign(tp=0, fp=50)
    worse = replace(changed(report, held_out_scores=scores_of(table)), held_out=table)
    assert re.search(r"Mean Dice \(0\.\d+\) is not above that of an empty answer", _doubts(worse))
    assert '<div class="card bad">' in figures(worse)


# -- names from files -----------------------------------------------------------------------------

_NASTY = "<script>alert('$x_{')</script>&\"$"


def test_everything_from_files_is_escaped(folder: Any) -> None:
    name = "<img src=x onerror=y>&$a$.png"
    folder.picture(name, {1: folder.square(2, 3), 2: folder.square(18, 40)})
    for number in range(8):
        folder.picture(f"{number}.png", {1: folder.square(number, 3)} if number % 2 else None)
    folder.masks_table()
    report = make(folder.path)
    record = report.manifest.training.model_copy(
        update={"recipe_name": _NASTY, "notes": [_NASTY], "recipe": {_NASTY: _NASTY}}
    )
    classes = [one.model_copy(update={"name": _NASTY}) for one in report.manifest.classes]
    assert report.manifest.compiled is not None
    compiled = report.manifest.compiled.model_copy(update={"reason": _NASTY})
    everywhere = changed(
        report,
        training=record,
        classes=classes,
        compiled=compiled,
        versions={_NASTY: _NASTY},
    )
    text = write_report(replace(everywhere, history={_NASTY: {_NASTY: [1.0], "loss": [1.0]}}))
    assert "<script" not in text
    assert "<img" not in text
    assert _Page(text).open == []
    assert text.count("&lt;script&gt;") > 10


# -- parts that are not there ---------------------------------------------------------------------


def test_without_a_gate(learnable: Path) -> None:
    report = replace(make(learnable, gate=False), curves=NOTHING)
    page = _Page(text := write_report(report))
    assert "Gate" not in page.headings
    assert "gate probability" not in text
    assert len(cards(text)) == 5
    assert page.row("precision") == [
        "precision",
        "validation pictures",
        "mask pixels that differ",
        "drop of Dice on truth",
    ]


def test_without_calibration_forms_and_history(report: Report) -> None:
    bare = replace(changed(report, calibration=None, compiled=None), history={}, curves=NOTHING)
    page = _Page(write_report(bare))
    assert {"Learning curves", "Forms for CPUs"}.isdisjoint(page.headings)
    assert not any("validation" in one.lower() for one in page.headings)
    assert {"Gate", "Segmenter", "Provenance"} <= set(page.headings)
    assert "none was searched for these models" in _doubts(bare)


@pytest.mark.parametrize("defective", [False, True])
def test_pictures_of_one_kind_alone(folder: Any, defective: bool) -> None:
    for name in ("a.png", "b.png"):
        folder.picture(name, {1: folder.square(2, 3)} if defective else None)
    folder.masks_table()
    folder.classes({1: "c1", 2: "c2"})
    text = write_report(make(folder.path))
    assert "Curves need both" in text
    assert _Page(text).open == []


def test_masks_that_nobody_drew(folder: Any) -> None:
    folder.picture("a.png")
    folder.picture("b.png")
    folder.masks_table()
    folder.classes({1: "c1", 2: "c2"})
    folder.table("labels.csv", "ImageId,label", [("a.png", 1), ("b.png", 0)])
    report = make(folder.path)
    stopped = replace(report, held_out=report.held_out.assign(passed=0, gate_probability=0.1))
    assert "defective, without drawn masks" in outlines(stopped)
