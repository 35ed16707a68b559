"""Turn confident answers of a bundle on unlabelled pictures into a data folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steeldefect.errors import DataError, PictureError, StoreError
from steeldefect.program.new_folders import new_folder
from steeldefect.program.progress import say, shown
from steeldefect.review.stored_pictures import StoredPicture, StoredPictures
from steeldefect.secrets import masked
from steeldefect.settings import ScoreSettings
from steeldefect.stores import open_store
from training.data.pseudo_record import write_record
from training.pseudo_labels.candidates import Archive, Candidate, read_archive
from training.pseudo_labels.choose import Label, Skip, doubt_about, label_of
from training.pseudo_labels.judge import Judge, make_judge
from training.pseudo_labels.known import view_of
from training.pseudo_labels.mirrors import LEAST_DICE
from training.pseudo_labels.order import PseudoOrder
from training.pseudo_labels.turns import Turns
from training.pseudo_labels.written import Taken, name_of, write_picture, write_tables

_MOST_FAILURES = 50  # pictures in a row that cannot be read: then the archive is not there


@dataclass(frozen=True)
class PseudoLabelled:
    """What was written.

    Attributes:
        taken: the pictures, in the order of their numbers.
        skipped: number of skipped pictures, by reason.
        left: number of pictures whose turn did not come.
        round: number of the round; None if nobody knows it.
    """

    taken: tuple[Taken, ...]
    skipped: Mapping[str, int]
    left: int
    round: int | None

    @property
    def clean(self) -> int:
        """Number of clean pictures."""
        return sum(not one.label.masks for one in self.taken)


def pseudo_label(folder: Path, order: PseudoOrder) -> PseudoLabelled:
    """Write a data folder of pseudo-labelled pictures, completely or not at all.

    Pseudo-labels are answers of a model that are used as if they were labels (Lee,
    "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural
    Networks", ICML workshop 2013). A recipe takes the folder as `data.extra`. The same call writes
    the same bytes, as long as tables, archive and labelled pictures stay the same.

    Progress goes to standard error.

    Args:
        folder: folder to write; it must be missing or empty.
        order: which answers become labels.

    Raises:
        AlreadyExistsError: `folder` holds something.
        TableError: there are no tables, or no such bundle in them.
        DataError: no answer is confident, or labelled pictures or classes do not fit.
        SettingsError: the models are of another bundle, or no split is known.
        StoreError: the pictures cannot be read, or the folder cannot be written.
        BundleError: the models cannot be opened.
    """
    with new_folder(folder) as staged:
        archive = read_archive(open_store(order.tables), order.bundle, order.most, order.seed)
        judge = make_judge(order, archive)
        _say_limits(judge, order)
        choice = _Choice(judge, staged, StoredPictures(ScoreSettings()))
        made = choice.run(archive, order.most)
        if not made.taken:
            raise DataError(_nothing(made, order))
        write_tables(staged, made.taken, judge.class_names)
        write_record(staged, _record(order, archive, judge, made))
    return made


class _Choice:
    """The choice among the candidates of an archive."""

    def __init__(self, judge: Judge, folder: Path, pictures: StoredPictures) -> None:
        self._judge = judge
        self._folder = folder
        self._pictures = pictures
        self._taken: list[Taken] = []
        self._skipped: Counter[str] = Counter()
        self._failures = 0  # in a row

    def run(self, archive: Archive, most: int) -> PseudoLabelled:
        """Take pictures in turn, until there are enough or none is left."""
        turns = Turns(self._without_doubt(archive.candidates))
        total = min(most, len(turns))

        with shown(
            total,
            lambda: len(self._taken),
            lambda: self._skipped[Skip.UNREADABLE.value],
            work="pseudo-labels",
        ):
            while len(self._taken) < most:
                candidate = turns.next()
                if candidate is None:
                    break
                if self._try(candidate):
                    turns.take()
        skipped = {"reviewed": archive.reviewed, **self._skipped}
        counts = {reason: count for reason, count in sorted(skipped.items()) if count}
        return PseudoLabelled(tuple(self._taken), counts, len(turns), self._judge.round)

    def _without_doubt(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        judge, kept = self._judge, []
        for candidate in candidates:
            doubt = doubt_about(
                candidate,
                judge.limits,
                judge.class_names.keys(),
                has_models=judge.mirrors is not None,
            )
            if doubt is None:
                kept.append(candidate)
            else:
                self._skipped[doubt.value] += 1
        return kept

    def _try(self, candidate: Candidate) -> bool:
        """Take a picture, or count why it is skipped; return whether it was taken."""
        try:
            stored = self._pictures.read(candidate.source, candidate.key)
        except (StoreError, PictureError) as error:
            self._count_failure(error)
            return False
        self._failures = 0
        view = view_of(candidate.key, stored.pixels)
        skip = self._changed(candidate, stored) or self._judge.known.reason_against(view)
        label = self._label(candidate, stored) if skip is None else None
        if label is None:
            self._skipped[(skip or Skip.MIRRORS).value] += 1
            return False
        name = name_of(len(self._taken), candidate)
        write_picture(self._folder, name, stored.data)
        self._judge.known.take(view)
        self._taken.append(Taken(name, candidate, label))
        return True

    def _count_failure(self, error: StoreError | PictureError) -> None:
        self._skipped[Skip.UNREADABLE.value] += 1
        self._failures += 1
        if self._failures >= _MOST_FAILURES:
            raise StoreError(
                f"{self._failures} pictures in a row cannot be read ({error}); run this where the "
                "archive can be read under the addresses in the column source"
            )

    @staticmethod
    def _changed(candidate: Candidate, stored: StoredPicture) -> Skip | None:
        changed = stored.etag and candidate.etag and stored.etag != candidate.etag
        return Skip.CHANGED if changed else None

    def _label(self, candidate: Candidate, stored: StoredPicture) -> Label | None:
        mirrors = self._judge.mirrors
        if mirrors is None:
            return label_of(candidate)
        return mirrors.label(stored.pixels, candidate.verdict, tuple(candidate.masks))


def _say_limits(judge: Judge, order: PseudoOrder) -> None:
    for number, name in judge.class_names.items():
        limit = judge.limits.regions.get(number)
        none = (
            f"no labels, because the validation part does not show a precision of "
            f"{order.precision:g}"
        )
        say(f"class {number} {name}: {limit or none}")
    kinds = {"stopped by the gate": judge.limits.gated, "nothing found": judge.limits.quiet}
    for kind, limit in kinds.items():
        say(f"clean, {kind}: {limit or 'no labels'}")
    if judge.mirrors is None:
        say("agreement of mirrored copies is not checked; --models checks it")


def _nothing(made: PseudoLabelled, order: PseudoOrder) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in made.skipped.items())
    unreadable = made.skipped.get(Skip.UNREADABLE.value, 0)
    advice = "label more pictures by hand, or ask for less"
    wanted = "--precision" if order.models is not None else "--least-probability"
    more = "; check that this host can read the archive" if unreadable else ""
    return (
        f"no confident picture among the answers in {order.tables} (skipped: {reasons or 'none'}; "
        f"a clean picture is only taken beside a defective one); {advice} with {wanted}{more}"
    )


def _record(
    order: PseudoOrder, archive: Archive, judge: Judge, made: PseudoLabelled
) -> dict[str, Any]:
    shown_classes = Counter(number for one in made.taken for number in one.label.masks)
    checked = judge.mirrors is not None
    return {
        "round": made.round,
        "bundle": archive.bundle,
        "tables": masked(order.tables),
        **judge.facts,
        "target_precision": order.precision if checked else None,
        "limits": judge.limits.facts(),
        "mirrors_agree": f"checked: Dice of at least {LEAST_DICE:g}" if checked else "not checked",
        "pictures": len(made.taken),
        "clean": made.clean,
        "classes": {str(number): shown_classes[number] for number in judge.class_names},
        "skipped": dict(made.skipped),
        "left": made.left,
        "most": order.most,
        "seed": order.seed,
    }
