"""Every error of the project pickles, has an exit code, and states whether a retry may help."""

from __future__ import annotations

import inspect
import pickle

import pytest

from steeldefect import errors
from steeldefect.errors import (
    DataError,
    PictureError,
    RunLengthError,
    SteelDefectError,
    Transient,
    error_from_text,
    error_to_text,
)

ALL = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, SteelDefectError)
]
# one that stands for its family shares the family's exit code on purpose
SHARED = {
    "StoreUnavailableError": "StoreError",
    "SourceDownError": "StoreError",
    "AlreadyExistsError": "StoreError",
    "NewerTableError": "TableError",
    "UnreadableFileError": "TableError",
    "RunLengthError": "DataError",
}
every_error = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)


def test_introspection_finds_the_errors() -> None:
    assert {SteelDefectError, RunLengthError, PictureError} <= set(ALL)
    assert len(ALL) > 20


@every_error
def test_pickling_keeps_type_message_and_exit_code(kind: type[SteelDefectError]) -> None:
    error = kind("what is wrong: 'ä'; what to do next")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert copy.args == error.args
    assert copy.exit_code == error.exit_code


@every_error
def test_an_error_is_found_again_in_the_text_that_spark_hands_on(
    kind: type[SteelDefectError],
) -> None:
    error = kind("what is wrong: 'ä';\nwhat to do next")
    text = f"Traceback:\n  File\n{error_to_text(error)}\n\tat java.lang.Thread.run\n"
    found = error_from_text(text)
    assert found is not None
    assert type(found) is (DataError if kind is RunLengthError else kind)
    assert str(found) == str(error).replace("\n", " ")


def test_a_text_without_an_error_of_the_project_holds_none() -> None:
    assert error_from_text("ValueError: a surprise\nsteeldefect.errors.Unheard: other") is None


@pytest.mark.parametrize("run", [None, 0, 7])
def test_pickling_keeps_what_a_run_length_error_knows(run: int | None) -> None:
    copy = pickle.loads(pickle.dumps(RunLengthError("has a length below 1", run)))  # noqa: S301
    assert (copy.problem, copy.run) == ("has a length below 1", run)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (None, "malformed run lengths: odd"),
        (0, "malformed run lengths: run 0: odd"),
        (3, "malformed run lengths: run 3: odd"),
    ],
)
def test_a_run_length_error_names_the_run(run: int | None, message: str) -> None:
    assert str(RunLengthError("odd", run)) == message


def test_exit_codes_are_distinct_and_never_zero() -> None:
    codes = {
        kind.__name__: kind.exit_code
        for kind in ALL
        if not issubclass(kind, PictureError) and kind.__name__ not in SHARED
    }
    assert all(0 < code < 126 for code in codes.values()), "126 and above belong to the shell"
    assert len(set(codes.values())) == len(codes), codes
    assert 2 not in {code for name, code in codes.items() if name != "SettingsError"}, (
        "argparse ends with 2 where the command line is wrong"
    )


@pytest.mark.parametrize(("name", "family"), SHARED.items())
def test_kinds_of_one_family_share_its_exit_code(name: str, family: str) -> None:
    kind, base = getattr(errors, name), getattr(errors, family)
    assert issubclass(kind, base)
    assert kind.exit_code == base.exit_code


@pytest.mark.parametrize("kind", [kind for kind in ALL if issubclass(kind, PictureError)])
def test_an_error_of_one_picture_has_the_general_exit_code(kind: type[PictureError]) -> None:
    assert kind.exit_code == SteelDefectError.exit_code != 0


@pytest.mark.parametrize(
    ("name", "transient"),
    [
        ("StoreUnavailableError", True),
        ("FetchUnavailableError", True),
        ("OutputBusyError", True),
        ("WaveError", True),
        ("StoreError", False),
        ("FetchError", False),
        ("DecodeError", False),
        ("PictureSizeError", False),
        ("InferenceError", True),
        ("HostError", True),
        ("UnprovenError", True),
        ("WorkerDiedError", True),
        ("BundleError", False),
        ("FailureShareError", False),
    ],
)
def test_what_another_try_can_help(name: str, transient: bool) -> None:
    assert issubclass(getattr(errors, name), Transient) is transient
