"""Parse JSON that a tool wrote into typed models."""

from __future__ import annotations

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from steeldefect.errors import DataError

T = TypeVar("T")


def parse_json(kind: type[T], content: bytes, problem: str) -> T:
    """Parse JSON.

    Args:
        kind: a pydantic model, or a list of them.
        content: bytes of the file.
        problem: beginning of an error's message, such as `a.json is not COCO`.

    Raises:
        DataError: the content is not JSON, or not of this kind; the message has the place.
    """
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(
            f"{problem}: {place + ': ' if place else ''}{first['msg']}; choose this format in the "
            "annotation tool, and unpack what it exports"
        ) from None
