"""Names on a page are what they are in the tables; numbers carry their exact value."""

from __future__ import annotations

import shlex
import string
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.page_reader import read_page

from steeldefect.report import texts

ANY = st.text()
FILE_NAME = f"{string.ascii_letters}{string.digits}._-"
NO_SURROGATES = st.text(st.characters(exclude_categories=["Cs"]))


def is_hidden(character: str) -> bool:
    """Return whether nobody sees a character, or it turns the text around it."""
    kind = unicodedata.category(character)
    return kind in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") or character == "\u00a0"


@given(NO_SURROGATES)
@example("<img src=x onerror=alert(1)>")
@example("a\u202eb\r\n\t\u00a0&amp;")
def test_a_name_keeps_every_character_and_gets_no_element(name: str) -> None:
    page = read_page(str(texts.as_is(name)))
    assert page.text == name
    elements = {(one.tag, one.attributes.get("class")) for one in page.walk()} - {("", None)}
    assert elements <= {("bdi", "name"), ("bdi", "hidden")}
    assert str(texts.as_is(name)).startswith('<bdi class="name">')


@given(NO_SURROGATES)
@example("/tables of line 1/$(reboot)")
@example("s3://plant/tables")
def test_a_command_on_a_page_has_its_words_as_they_are(output: str) -> None:
    command = f"steeldefect report --output {texts.word(output)} --to pages"
    assert shlex.split(command) == ["steeldefect", "report", "--output", output, "--to", "pages"]


def test_a_word_that_needs_no_quotes_has_none() -> None:
    assert texts.word("s3://plant/tables") == "s3://plant/tables"


@given(NO_SURROGATES)
def test_what_nobody_can_see_stands_in_an_element_with_its_name(name: str) -> None:
    page = read_page(str(texts.as_is(name)))
    hidden = [one for one in page.all("bdi") if one.attributes["class"] == "hidden"]
    for one in hidden:
        assert len(one.text) == 1
        assert one.attributes["data-name"].isprintable()
    assert [one.text for one in hidden] == [one for one in name if is_hidden(one)]


@given(ANY)
@example("kept\u202eback")
def test_a_name_in_an_attribute_shows_everything(name: str) -> None:
    shown = texts.plain(name)
    assert not any(map(is_hidden, shown))
    if all(one.isprintable() for one in name):
        assert shown == name


def test_names_of_hidden_characters_are_words() -> None:
    assert texts.plain("a\u202eb\tc\u0007") == "a[right-to-left override]b[tab]c[U+0007]"
    page = read_page(str(texts.as_is("\u202e\u2066\x07")))
    names = [one.attributes.get("data-name") for one in page.all("bdi")]
    assert names == [None, "right-to-left override", "left-to-right isolate", "u+0007"]


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**62), 2**62))
def test_the_exact_value_stands_behind_a_number(value: float) -> None:
    for shown in (texts.number(value, 2, " mm"), texts.percent(value), texts.signed_percent(value)):
        (one,) = read_page(str(shown)).all("data")
        assert float(one.attributes["value"]) == float(value)
    assert read_page(str(texts.number(value, 2, " mm"))).text == f"{value:,.2f} mm"


def test_numbers_are_written_for_people() -> None:
    shown = {
        "1,234,567": texts.count(1_234_567),
        "56%": texts.percent(0.5625),
        "2.1%": texts.percent(0.0213),
        "0.04%": texts.percent(0.00042),
        "0%": texts.percent(0),
        "+1.3": texts.signed_percent(0.0126),
        "-12.0": texts.signed_percent(-0.12),
        "unknown": texts.count(None),
        "05:06 UTC": texts.moment(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)),
    }
    assert [read_page(str(one)).text for one in shown.values()] == [*shown]
    for none in (texts.percent(None), texts.number(None, 1)):
        assert read_page(str(none)).all("data") == []
    assert texts.counted(1, "coil") == "1 coil"
    assert texts.counted(0, "coil") == "0 coils"


@given(st.lists(ANY, max_size=4))
def test_files_have_names_that_every_store_takes_and_that_differ(names: list[str]) -> None:
    files = [texts.file_name(name, number) for number, name in enumerate(names)]
    assert len(set(files)) == len(files)
    for one in files:
        assert one.isascii()
        assert len(one) <= 64
        assert not set(one) - set(FILE_NAME)
        assert texts.link(one) == one


NAMED = [("coil <7>/a", "003-coil-7-a"), ("\u92fc\u677f", "003"), ("..", "003")]


@pytest.mark.parametrize(("name", "file"), NAMED)
def test_a_file_name_tells_its_coil(name: str, file: str) -> None:
    assert texts.file_name(name, 3) == file
