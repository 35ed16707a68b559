"""Show one picture: what the runs of every bundle found on it, as text and as a drawing."""

from __future__ import annotations

from pathlib import Path

from steeldefect.analysis.drawings import save_drawing
from steeldefect.analysis.results import printable
from steeldefect.analysis.sql import opened_database
from steeldefect.errors import SettingsError, StoreError
from steeldefect.program.new_files import Existing
from steeldefect.review.drawing.sheet import Captions, draw_sheet
from steeldefect.review.find_picture import find_picture
from steeldefect.review.history import BundleHistory, PictureHistory, read_history
from steeldefect.review.history_text import place_text, when
from steeldefect.review.stored_pictures import StoredPicture, StoredPictures
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store


def show(store: Store, asked: str) -> PictureHistory:
    """Return everything that the tables of an output say of one picture.

    Args:
        store: the output.
        asked: the picture's key, file name or address.

    Raises:
        SettingsError: no picture has that name, or several have.
        TableError: there are no tables, or one cannot be read.
        StoreUnavailableError: the store does not answer.
    """
    with opened_database(store) as connection:
        return read_history(connection, find_picture(connection, asked))


def choose_history(history: PictureHistory, bundle: str | None) -> BundleHistory:
    """Return what one bundle says of a picture.

    Args:
        history: of the picture.
        bundle: first characters of the bundle's digest; None for the bundle of the newest run.

    Raises:
        SettingsError: no bundle that scored the picture fits, or several do.
    """
    fitting = [one for one in history.bundles if one.bundle.startswith(bundle or "")]
    if not fitting:
        what = "was not scored" if bundle is None else f"was not scored by a bundle {bundle}"
        raise SettingsError(f"{printable(history.name.key)} {what}; there is nothing to draw")
    if bundle and len(fitting) > 1:
        raise SettingsError(f"{len(fitting)} bundles begin with {bundle}; give more digits")
    return fitting[0]


def draw(
    history: PictureHistory,
    found: BundleHistory,
    settings: ScoreSettings,
    path: Path,
    existing: Existing,
) -> None:
    """Read a picture, and write a PNG file of it with what one bundle found.

    Args:
        history: of the picture.
        found: result of `choose_history`.
        settings: how the archive is reached, and the limits for reading pictures.
        path: path of the file.
        existing: whether an existing file is replaced or kept.

    Raises:
        StoreError: the picture is gone, its size has changed, or its store does not answer.
        PictureError: the file is no longer a picture that can be decoded.
        AlreadyExistsError: the file exists, and `existing` keeps it.
        OSError: the file cannot be written.
    """
    name, newest = history.name, found.newest
    picture = StoredPictures(settings).read(name.source, name.key)
    height, width = picture.pixels.shape
    if (height, width) != (newest.height, newest.width):
        raise StoreError(
            f"{name.source}/{name.key} has changed: it has {width} x {height} pixels, and had "
            f"{newest.width} x {newest.height} when it was scored; score it again"
        )
    sheet = draw_sheet(picture.pixels, found, _captions(history, found, picture))
    save_drawing(sheet, path, existing)


def _captions(history: PictureHistory, found: BundleHistory, picture: StoredPicture) -> Captions:
    newest = found.newest
    gate = None if found.thresholds is None else found.thresholds.gate
    facts = [f"verdict {newest.verdict}"]
    if newest.gate_probability is not None:
        threshold = "" if gate is None else f" (threshold {gate.threshold:.3f})"
        facts.append(f"gate {newest.gate_probability:.3f}{threshold}")
    facts += [f"bundle {found.bundle[:12]}", f"scored {when(newest.scored_at)}"]
    changed = picture.etag and newest.etag and picture.etag != newest.etag
    return Captions(
        title=printable(history.name.key),
        lines=[line for line in (", ".join(facts), place_text(newest)) if line],
        warning="the file may have changed since it was scored" if changed else "",
    )
