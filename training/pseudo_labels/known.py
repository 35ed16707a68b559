"""Recognise pictures that must not be taken: held out, labelled already, or taken already."""

from __future__ import annotations

from collections.abc import Sequence

from steeldefect.pictures.fingerprints import digest_of, take_fingerprint
from steeldefect.pictures.preprocessing import Gray
from training.data.dataset import LabelledPicture
from training.pseudo_labels.choose import Skip
from training.splitting.views import View, Views, views_of


class Known:
    """The pictures that are known, by their pixels: a copy under another name is known, too."""

    def __init__(
        self, held_out: Sequence[LabelledPicture], others: Sequence[LabelledPicture]
    ) -> None:
        """Read all labelled pictures once; progress goes to standard error.

        Args:
            held_out: pictures of the validation and test parts.
            others: all other labelled pictures.

        Raises:
            DataError: a picture cannot be read.
        """
        self._held_out = Views(views_of(held_out, "fingerprints of held-out pictures"))
        self._labelled = Views(views_of(others, "fingerprints of labelled pictures"))
        self._taken = Views()

    def reason_against(self, view: View) -> Skip | None:
        """Return why a picture must not be taken; None if nothing like it is known."""
        kinds = (
            (self._held_out, Skip.HELD_OUT),
            (self._labelled, Skip.LABELLED),
            (self._taken, Skip.REPEATED),
        )
        return next((reason for known, reason in kinds if known.like(view) is not None), None)

    def take(self, view: View) -> None:
        """Remember a picture that was taken."""
        self._taken.add(view)


def view_of(name: str, pixels: Gray) -> View:
    """Return what is compared of a picture, uint8 (height, width)."""
    return View(name, digest_of(pixels), take_fingerprint(pixels))
