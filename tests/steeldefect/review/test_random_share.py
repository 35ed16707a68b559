"""The random share of a queue is an honest sample of all pictures that a bundle scored."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from scipy.stats import chisquare
from support.examples import BUNDLE, origin
from support.reviewing import SURE, Night, judge
from support.samples import ROOT

from steeldefect.analysis.sql import opened_database, query
from steeldefect.review.candidates import Candidate, drawn_at_random, most_doubtful
from steeldefect.review.doubts import Compared, find_doubts
from steeldefect.review.pick import Picked, Wanted, pick
from steeldefect.review.reasons import Kind
from steeldefect.review.thresholds import stated_thresholds
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store, open_store
from steeldefect.tables.schema import TableName

KEYS = [f"line {number % 3}/{number:03d}.png" for number in range(60)]


def scored(folder: Path, probabilities: list[float]) -> Store:
    """Score `KEYS`, whose files do not exist, with these probabilities of the gate."""
    night = Night(Path("/archive"))
    for key, probability in zip(KEYS, probabilities, strict=True):
        verdict = "clean" if probability > 0.01 else "gated"
        night.scored(key, gate_probability=probability, verdict=verdict)
    store = open_store(str(folder))
    night.end(store)
    return store


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """An output in which a third of the pictures is doubtful, and a third was gated."""
    probabilities = [(0.011, 0.001, SURE)[number % 3] for number in range(len(KEYS))]
    return scored(tmp_path_factory.mktemp("output"), probabilities)


@pytest.fixture
def connection(output: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    with opened_database(output) as opened:
        find_doubts(opened, Compared(BUNDLE, stated_thresholds(opened, BUNDLE), None))
        yield opened


def drawn(store: Store, **wanted: int) -> list[Picked]:
    rows = pick(store, ScoreSettings(), Wanted(random_share=0.5, **wanted)).rows
    return [row for row in rows if row.kind is Kind.RANDOM]


def keys_of(candidates: list[Candidate]) -> list[str]:
    return [one.key for one in candidates]


def test_every_picture_is_drawn_equally_often(connection: duckdb.DuckDBPyConnection) -> None:
    draws = [keys_of(drawn_at_random(connection, BUNDLE, seed, 12)) for seed in range(150)]
    counts = Counter(key for keys in draws for key in keys)
    assert set(counts) == set(KEYS), "gated pictures included"
    assert sum(counts.values()) == 150 * 12
    assert chisquare([counts[key] for key in KEYS]).pvalue > 0.001
    firsts = Counter(keys[0].partition("/")[0] for keys in draws)
    assert chisquare([firsts[f"line {number}"] for number in range(3)]).pvalue > 0.001


def test_a_draw_is_the_same_again_and_another_with_another_seed(output: Store) -> None:
    first = drawn(output, count=20)
    assert len(first) == 10
    assert drawn(output, count=20) == first
    assert [row.key for row in drawn(output, count=20, seed=1)] != [row.key for row in first]
    longer = drawn(output, count=40)
    assert [row.key for row in longer[:10]] == [row.key for row in first]


def test_a_draw_depends_on_nothing_that_was_found(output: Store, tmp_path: Path) -> None:
    other = scored(tmp_path / "other", [SURE] * len(KEYS))
    assert [row.key for row in drawn(other, count=20)] == [
        row.key for row in drawn(output, count=20)
    ]


def test_a_draw_hardly_changes_when_the_archive_grows(output: Store, tmp_path: Path) -> None:
    grown = scored(tmp_path / "grown", [SURE] * len(KEYS))
    night = Night(Path("/archive"))
    night.scored("one more.png")
    night.end(grown, origin(1))
    before = {row.key for row in drawn(output, count=20)}
    after = {row.key for row in drawn(grown, count=20)}
    assert len(before - after) <= 1


def test_doubtful_pictures_stay_in_the_draw(output: Store) -> None:
    rows = drawn(output, count=60)
    doubtful = [row for row in rows if "; also gate 0.011, threshold 0.010" in row.reason]
    certain = [row for row in rows if row.score == 0]
    assert len(rows) == 30
    assert doubtful
    assert len(doubtful) + len(certain) == len(rows)
    queue = pick(output, ScoreSettings(), Wanted(count=60, random_share=0.5)).rows
    assert len({row.key for row in queue}) == len(queue)
    assert {row.key for row in queue if row.kind is Kind.GATE} == {
        key for key in KEYS if key.startswith("line 0")
    } - {row.key for row in rows}


def test_the_draw_is_spread_over_the_queue(output: Store) -> None:
    wanted = Wanted(count=20, random_share=0.2)
    queue = pick(output, ScoreSettings(), wanted).rows
    assert [row.rank for row in queue if row.kind is Kind.RANDOM] == [3, 8, 13, 18]
    assert [row.rank for row in queue] == list(range(1, 21))


@pytest.mark.parametrize(
    ("count", "share", "wanted"), [(100, 0.1, 10), (4, 0.1, 0), (5, 0.1, 1), (7, 1, 7), (9, 0, 0)]
)
def test_size_of_the_share(count: int, share: float, wanted: int) -> None:
    assert Wanted(count=count, random_share=share).drawn == wanted


def ranked(store: Store) -> tuple[list[Candidate], list[Candidate]]:
    """Return all drawn and all doubtful pictures that nobody has reviewed."""
    with opened_database(store) as connection:
        find_doubts(connection, Compared(BUNDLE, stated_thresholds(connection, BUNDLE), None))
        draws = drawn_at_random(connection, BUNDLE, 0, len(KEYS))
        return draws, most_doubtful(connection, BUNDLE, len(KEYS))


def test_reviewed_pictures_are_left_out_but_keep_their_place(tmp_path: Path) -> None:
    store = scored(tmp_path, [(0.011, 0.001, SURE)[number % 3] for number in range(len(KEYS))])
    draws, doubts = ranked(store)
    assert (len(draws), len(doubts)) == (len(KEYS), len(KEYS) / 3)
    done = {draws[0].key, draws[3].key, doubts[0].key, doubts[6].key}
    for key in sorted(done):
        judge(store, "/archive", key, BUNDLE)
    judge(store, "/archive", draws[1].key, "another bundle")
    judge(store, "/another archive", draws[2].key, BUNDLE)
    later_draws, later_doubts = ranked(store)
    assert later_draws == [one for one in draws if one.key not in done]
    assert later_doubts == [one for one in doubts if one.key not in done]
    assert later_draws[0].draw == 2


def test_the_query_of_the_documents_takes_the_same_draw(tmp_path: Path) -> None:
    store = scored(tmp_path, [SURE] * len(KEYS))
    draws, _ = ranked(store)
    for one, verdict in zip(draws[:7], ["corrected", "confirmed"] * 4, strict=False):
        judge(store, "/archive", one.key, BUNDLE, verdict=verdict)
    judge(store, "/archive", draws[30].key, BUNDLE)
    judge(store, "/archive", draws[0].key, BUNDLE, class_id=2, verdict="confirmed")
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    (asked,) = [block for block in re.findall(r"```sql\n(.*?)```", text, re.S) if "md5" in block]
    asked = asked.replace("825d", BUNDLE[:4]).replace("number <= 60", "number <= 7")
    assert query(store, asked.strip().rstrip(";")).to_pylist() == [{"pictures": 7, "wrong": 4}]


def test_a_reason_states_the_place_in_the_order(output: Store) -> None:
    places = [row.reason.partition(";")[0] for row in drawn(output, count=10, seed=7)]
    assert places == [f"drawn at random, number {number} with seed 7" for number in range(1, 6)]


def test_sources_with_the_same_keys_are_different_pictures(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    for number, folder in enumerate(("/one", "/other", "/one/other")):
        night = Night(Path(folder))
        for key in ("a.png", "other/a.png"):
            night.scored(key)
        night.end(store, origin(number))
    orders = [
        [(row.source, row.key) for row in drawn(store, count=12, seed=seed)] for seed in range(9)
    ]
    assert all(len(set(order)) == 6 for order in orders)
    for one, other in (
        (("/one", "a.png"), ("/other", "a.png")),
        (("/one", "other/a.png"), ("/one/other", "a.png")),
    ):
        distances = {abs(order.index(one) - order.index(other)) for order in orders}
        assert len(distances) > 1, "neither key nor address alone decides"


def test_a_lone_verdict_of_the_gate_is_enough(tmp_path: Path) -> None:
    night = Night(Path("/archive"))
    night.scored("gated.png", verdict="gated", gate_probability=0.0001)
    store = open_store(str(tmp_path))
    night.end(store)
    (row,) = pick(store, ScoreSettings(), Wanted(count=1, random_share=1)).rows
    assert (row.key, row.kind, row.score) == ("gated.png", Kind.RANDOM, 0.0)
    assert TableName.PREDICTIONS not in night.rows
