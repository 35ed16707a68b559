"""Of pictures that show the same view, a person sees one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.reviewing import Night
from support.samples import HEIGHT, WIDTH
from support.steel import Gray, brightened, recoded, steel

from steeldefect.pictures.fingerprints import digest_of, take_fingerprint
from steeldefect.review.candidates import Candidate
from steeldefect.review.pick import Wanted, pick
from steeldefect.review.queue import Place, build_queue
from steeldefect.review.reasons import Doubt, Kind
from steeldefect.review.stored_pictures import StoredPictures
from steeldefect.review.views import SeenViews, View, look_ahead
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store

NEAR = Doubt(Kind.GATE, 0.9, 0.012, 0.01)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path / "archive")


def picture(seed: int) -> Gray:
    return steel(seed, (HEIGHT, WIDTH))


def view(pixels: Gray) -> View:
    return View(digest_of(pixels), take_fingerprint(pixels))


def candidate(night: Night, key: str, pixels: Gray | None, draw: int | None = None) -> Candidate:
    if pixels is not None:
        night.keep(key, pixels)
    return Candidate(str(night.archive), key, key, "run-1", None, None, (NEAR,), draw)


def queue(drawn: list[Candidate], doubtful: list[Candidate], count: int = 100) -> list[Place]:
    return build_queue(drawn, doubtful, count, StoredPictures(ScoreSettings()))


def keys_of(places: list[Place]) -> list[str]:
    return [one.candidate.key for one in places]


def test_copies_are_shown_once_and_their_places_go_to_others(store: Store, night: Night) -> None:
    copies = [picture(1), recoded(picture(1)), brightened(picture(1)), picture(1)]
    for number, pixels in enumerate([*copies, picture(2), picture(3)]):
        night.keep(f"{number}.png", pixels)
        night.scored(f"{number}.png", gate_probability=0.0101 + 1e-5 * number)
    night.end(store)
    rows = pick(store, ScoreSettings(), Wanted(count=3, random_share=0)).rows
    assert [row.key for row in rows] == ["0.png", "4.png", "5.png"]
    assert not any("also" in row.reason for row in rows)


def test_the_draw_keeps_its_place_from_doubtful_copies(night: Night) -> None:
    drawn = [candidate(night, "drawn.png", picture(1), draw=1)]
    doubtful = [
        candidate(night, "copy.png", recoded(picture(1))),
        candidate(night, "other.png", picture(2)),
        *drawn,
    ]
    assert keys_of(queue(drawn, doubtful)) == ["other.png", "drawn.png"]


def test_a_drawn_picture_stands_for_its_drawn_copies(night: Night) -> None:
    drawn = [
        candidate(night, "a.png", picture(1), draw=1),
        candidate(night, "b.png", picture(2), draw=2),
        candidate(night, "c.png", brightened(picture(1)), draw=3),
    ]
    doubtful = [candidate(night, "d.png", recoded(picture(1)))]
    places = queue(drawn, doubtful)
    assert [(one.candidate.key, one.stands_for) for one in places] == [("a.png", 2), ("b.png", 1)]


def test_the_reason_says_for_how_many_a_picture_stands(store: Store, night: Night) -> None:
    for number in range(4):
        night.keep(f"{number}.png", picture(1))
        night.scored(f"{number}.png")
    night.end(store)
    (row,) = pick(store, ScoreSettings(), Wanted(count=4, random_share=0.75)).rows
    assert row.reason == (
        "drawn at random, number 1 with seed 0, for 3 drawn pictures of this view"
    )


def blend(share: float) -> View:
    mixed = (1 - share) * picture(1).astype(float) + share * picture(3).astype(float)
    return view(mixed.astype(np.uint8))


def test_a_group_hangs_together_over_pictures_that_are_left_out() -> None:
    first, between, last = blend(0), blend(0.2), blend(0.4)
    apart = SeenViews()
    assert [apart.group_of(first, 0), apart.group_of(last, 1)] == [0, 1]
    seen = SeenViews()
    assert [seen.group_of(one, new) for new, one in enumerate((first, between, last))] == [0, 0, 0]


def test_pictures_of_one_gray_are_copies_only_if_they_are_equal() -> None:
    seen = SeenViews()
    flat = [view(np.full((HEIGHT, WIDTH), gray, np.uint8)) for gray in (0, 0, 90)]
    assert [seen.group_of(one, number) for number, one in enumerate(flat)] == [0, 0, 2]


def test_pictures_that_cannot_be_read_stay_with_a_note(store: Store, night: Night) -> None:
    for number, key in enumerate(("gone.png", "damaged.png", "large.png", "fine.png")):
        night.scored(key, number, gate_probability=0.0101 + 1e-5 * number)
    night.end(store)
    (night.archive / "gone.png").unlink()
    (night.archive / "damaged.png").write_bytes(b"no picture")
    night.keep("large.png", steel(1, (400, 400)))
    settings = ScoreSettings(max_picture_pixels=HEIGHT * WIDTH)
    rows = pick(store, settings, Wanted(random_share=0)).rows
    problems = [row.reason.partition("; not compared with others, as ")[2] for row in rows]
    assert [row.key for row in rows] == ["gone.png", "damaged.png", "large.png", "fine.png"]
    gone = f"it cannot be read now: cannot read {night.archive}/gone.png: No such file or directory"
    assert problems[0] == gone
    assert problems[1].startswith("it cannot be read now: not a JPEG, PNG, BMP or TIFF")
    assert "too large: 400x400 pixels" in problems[2]
    assert problems[3] == ""


def test_two_pictures_that_cannot_be_read_are_not_taken_for_copies(night: Night) -> None:
    doubtful = [candidate(night, key, None) for key in ("a.png", "b.png")]
    assert keys_of(queue([], doubtful)) == ["a.png", "b.png"]


def test_an_archive_that_is_no_address_here(night: Night) -> None:
    one = Candidate("gopher://plant", "a.png", "a.png", "run-1", None, None, (NEAR,))
    (place,) = queue([], [one])
    assert "gopher://plant" in place.problem


def test_no_more_pictures_are_read_than_are_needed(night: Night) -> None:
    doubtful = [candidate(night, f"{number}.png", picture(number)) for number in range(40)]
    for number in range(20, 40):
        (night.archive / f"{number}.png").unlink()
    places = queue([], doubtful, count=3)
    assert keys_of(places) == ["0.png", "1.png", "2.png"]
    reading = look_ahead(doubtful, StoredPictures(ScoreSettings()))
    assert next(reading).candidate.key == "0.png"
    reading.close()


def test_the_order_is_that_of_the_candidates(night: Night) -> None:
    doubtful = [candidate(night, f"{number}.png", picture(number)) for number in range(30)]
    looked = list(look_ahead(doubtful, StoredPictures(ScoreSettings())))
    assert [one.candidate for one in looked] == doubtful
    assert all(one.view is not None and one.problem == "" for one in looked)


def test_progress_is_shown(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    queue([], [candidate(night, f"{number}.png", picture(number)) for number in range(5)], count=4)
    shown = capsys.readouterr()
    assert shown.err.startswith("review queue: 4/4 pictures (100%)")
    assert shown.out == ""


def test_candidates_that_are_all_copies_are_named(store: Store, night: Night) -> None:
    for number in range(9):
        night.keep(f"{number}.png", picture(1))
        night.scored(f"{number}.png", gate_probability=0.012)
    night.end(store)
    found = pick(store, ScoreSettings(), Wanted(count=2, random_share=0))
    assert [row.key for row in found.rows] == ["0.png"]
    assert found.notes == (
        "1 of 2 pictures: the others of 8 candidates are near-duplicates; --count takes more",
    )
