"""Read the unlabelled pictures of a fit; none may show what a held-out picture shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from steeldefect.errors import DataError
from training.data.dataset import LabelledPicture, fingerprint_of
from training.data.unlabelled import unlabelled_pictures
from training.recipe import Unlabelled
from training.splitting.parts import Parts
from training.splitting.views import similar_to, views_of


@dataclass(frozen=True)
class WithoutLabels:
    """Unlabelled pictures.

    Attributes:
        pictures: the pictures; nobody knows their masks.
        fingerprint: sha256 over their names and sizes in bytes.
        notes: notes on them, for the bundle's manifest.
    """

    pictures: tuple[LabelledPicture, ...]
    fingerprint: str
    notes: tuple[str, ...]


def read_unlabelled(settings: Unlabelled, parts: Parts) -> WithoutLabels:
    """Read a folder, and leave out what shows a piece that a held-out picture shows.

    Args:
        settings: section of the recipe.
        parts: parts of the split; validation and test are held out.

    Raises:
        DataError: the folder or a picture cannot be read, or no picture is left.
    """
    folder = Path(settings.folder).expanduser()
    asked = "data.unlabelled.folder"
    pictures = list(unlabelled_pictures(folder, settings.folder, asked))
    held_out = views_of([*parts.validation, *parts.test], "fingerprints of held-out pictures")
    views = views_of(pictures, f"fingerprints of {folder.name}")
    known = {view.name for view, _ in similar_to(views, held_out)}
    left = tuple(one for one in pictures if one.name not in known)
    if not left:
        raise DataError(f"{asked}: every picture of {folder} shows what a held-out picture shows")
    out = f"; {len(known)} show what held-out pictures show, and are left out" if known else ""
    note = (
        f"the segmenter learnt {len(left)} unlabelled pictures of {settings.folder} from its own "
        f"average: {settings.share:g} of what it was shown after {settings.begin:g} of the fit{out}"
    )
    return WithoutLabels(left, fingerprint_of(folder, [one.path for one in left]), (note,))
