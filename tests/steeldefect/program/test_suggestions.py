"""A word mistyped is answered with the nearest right one."""

from __future__ import annotations

import pytest

from steeldefect.errors import SettingsError
from steeldefect.program.command import CommandParser
from steeldefect.program.suggestions import did_you_mean, nearest


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("wave_picture", "wave_pictures"),
        ("wavepictures", "wave_pictures"),
        ("tries", "max_tries"),
        ("precison", "precision"),
        ("colour", None),
        ("", None),
    ],
)
def test_the_nearest_word_is_found(word: str, found: str | None) -> None:
    known = ("wave_pictures", "max_tries", "precision", "device")
    assert nearest(word, known) == found
    assert did_you_mean(word, known) == ("" if found is None else f" (did you mean {found}?)")


def parser() -> CommandParser:
    made = CommandParser(prog="test")
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    score = commands.add_parser("score")
    score.add_argument("--input", required=True)
    score.add_argument("--all-pairs", action="store_true")
    score.add_argument("--form", choices=["table", "csv"])
    commands.add_parser("sql").add_argument("statement")
    return made


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["scor"], "'sql') (did you mean score?); see test --help"),
        (["nothing-like-it"], "'sql'); see test --help"),
        (
            ["score", "--inptu=x"],
            "are required: --input (--inptu: did you mean --input?); see test score --help",
        ),
        (
            ["score", "--input", "x", "--all-pair", "--al-pairs"],
            "arguments: --al-pairs (--al-pairs: did you mean --all-pairs?); see test score --help",
        ),
        (["score", "--input", "x", "--colour"], "arguments: --colour; see test score --help"),
        (["score", "--input", "x", "extra"], "arguments: extra; see test score --help"),
        (["score", "--input", "x", "--form", "tabel"], "'csv') (did you mean table?); see"),
        ([], "the following arguments are required: COMMAND; see test --help"),
    ],
)
def test_commands_options_and_choices(words: list[str], message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parser().parse_args(words)
    assert message in str(raised.value).replace(
        "choose from score, sql", "choose from 'score', 'sql'"
    )


def test_what_is_right_is_parsed_as_ever() -> None:
    parsed = parser().parse_args(["score", "--input", "x", "--all", "--form", "csv"])
    assert (parsed.input, parsed.all_pairs, parsed.form) == ("x", True, "csv")
    assert parser().parse_args(["sql", "--", "--inptu"]).statement == "--inptu"
