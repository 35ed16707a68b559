"""Find the pictures of a run: in a listing of its input, or in an inventory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pyarrow as pa

from steeldefect.plan.inventory import read_inventory
from steeldefect.plan.listing import scan_pictures
from steeldefect.plan.picture_places import require_groups, require_places
from steeldefect.settings import ScoreRequest
from steeldefect.stores import Store, open_store


def find_pictures(request: ScoreRequest) -> Iterator[pa.Table]:
    """Find the pictures under the input of a run.

    An inventory is read and checked as a whole before this function returns. Of a listing, only the
    first part is read; the caller reads the rest while pictures are scored.

    Returns:
        The pictures, some at a time; columns of `LISTING`.

    Raises:
        EmptyInputError: no picture lies under the input.
        SettingsError: `strip.key_pattern` fits no key, or nothing states an attribute.
        DataError: the inventory, or what the pattern finds in a key, is not as it has to be. For a
            later part of a listing, the returned iterator raises it.
        StoreError: input or inventory cannot be read; see DataError.
    """
    source = open_store(request.input_uri, request.settings.s3)
    if request.inventory_uri is None:
        return _listed(request, source)
    settings = request.settings
    return read_inventory(
        request.inventory_uri,
        source,
        settings.include,
        settings.s3,
        settings.exclude,
        settings.strip,
    ).tables()


def _listed(request: ScoreRequest, source: Store) -> Iterator[pa.Table]:
    settings = request.settings
    require_groups(settings.strip)
    found = scan_pictures(source, settings.include, settings.exclude)
    pictures = require_places(found, settings.strip)
    return chain([next(pictures)], pictures)
