"""The reference that nights are compared with: pinned once, stored as JSON.

A reference of a bundle is made at training, from the validation pictures, and sealed in the bundle.
A reference of a run is made from its tables. Each sample keeps at most `QUANTILES` values, so the
size of the file does not grow with the number of pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from steeldefect.errors import DataError
from steeldefect.watch.observed import Observed
from steeldefect.watch.profiles import Profiles, profile

FORMAT_VERSION = 1
QUANTILES = 1000
"""A sample of this many quantiles misplaces a distribution function by at most 0.0005 + 1 / n."""


@dataclass(frozen=True)
class Reference:
    """A pinned reference.

    Attributes:
        name: where it comes from, such as `run 20260114T2210` or `validation pictures`.
        as_they_come: whether the pictures are all that the line produced. False for pictures that
            somebody chose, such as a training folder: then the rates of defects say nothing.
        profiles: what the pictures were like.
        format_version: version of the stored form.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    as_they_come: bool
    profiles: Profiles
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """Check the version.

        Raises:
            ValueError: this version of steeldefect does not read it.
        """
        if self.format_version != FORMAT_VERSION:
            raise ValueError(
                f"format {self.format_version}, this version of steeldefect reads {FORMAT_VERSION}"
            )

    def to_json(self) -> str:
        """Return the stored form: JSON, the same text for the same reference."""
        return _STORED.dump_json(self).decode()


_STORED = TypeAdapter(Reference)


def make_reference(
    observed: Observed, name: str, as_they_come: bool, quantiles: int = QUANTILES
) -> Reference:
    """Make a reference of pictures.

    Args:
        observed: the pictures and findings.
        name: where they come from.
        as_they_come: see `Reference`.
        quantiles: largest number of values of a sample.

    Raises:
        DataError: there is no picture.
    """
    if len(observed.images) == 0:
        raise DataError(f"reference {name!r} has no picture; choose a run that scored some")
    return Reference(name, as_they_come, profile(observed, quantiles))


def reference_from_json(text: str | bytes) -> Reference:
    """Read a stored reference.

    Raises:
        DataError: the text is not a reference, or its version is unknown; every problem is listed.
    """
    try:
        return _STORED.validate_json(text)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'reference'}: {one['msg']}"
            for one in error.errors(include_url=False)[:10]
        )
        raise DataError(f"not a reference of the watch: {problems}") from None
