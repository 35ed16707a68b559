"""Write what people said as rows of the table `reviews`, once for the same reviews."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from steeldefect.errors import DataError, SettingsError, SteelDefectError
from steeldefect.publish import lease
from steeldefect.publish.runs import Outcome, RunRecord, new_run_id, record_run
from steeldefect.review.training_folder import Reviewed
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import Origin, whole_rows
from steeldefect.tables.schema import TableName

_LONGEST_REVIEWER = 200
_FIRST_REVIEW = datetime(2000, 1, 1, tzinfo=UTC)


def checked_reviewer(name: str | None, picture: str) -> str:
    """Return who reviewed a picture.

    Raises:
        SettingsError: nobody said who.
        DataError: this is no name.
    """
    if not name:
        raise SettingsError("the annotations do not say who reviewed them; add --reviewer NAME")
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_REVIEWER:
        raise DataError(
            f"{picture}: the reviewer's name is empty, has control characters, or more than "
            f"{_LONGEST_REVIEWER} characters; give another with --reviewer"
        )
    return name.strip()


def checked_moment(stated: datetime, picture: str, now: datetime) -> datetime:
    """Return when a picture was reviewed, in UTC; a moment without a zone counts as UTC.

    Raises:
        DataError: it lies in the future, or before all reviews.
    """
    try:
        moment = stated.replace(tzinfo=UTC) if stated.tzinfo is None else stated.astimezone(UTC)
        possible = _FIRST_REVIEW <= moment <= now + timedelta(days=1)
    except OverflowError:
        possible = False
    if not possible:
        raise DataError(
            f"{picture} was reviewed at {stated}, which cannot be; check the clock of the "
            "annotation tool"
        )
    return moment


@dataclass(frozen=True)
class ReviewBatch:
    """Reviews of one import, for the table `reviews`.

    Attributes:
        id: id of what was shown: the same reviews of it are written once.
        output: address of the tables that it was made from.
        bundle: digest of the bundle whose masks were shown.
        classes: class names of the bundle, by id.
        pictures: number of pictures that were shown.
        format: format in which the reviews came back.
        reviewed: the reviews.
    """

    id: str
    output: str
    bundle: str
    classes: Mapping[int, str]
    pictures: int
    format: str
    reviewed: Sequence[Reviewed]

    def write(self, store: Store, settings: ScoreSettings, began: datetime) -> bool:
        """Write the rows, if the tables do not hold them; return whether they are new."""
        review, run_id = self._id(), new_run_id(began)
        with lease.hold(store, run_id, settings.lock_wait_seconds) as held:
            tables = Tables(store)
            if tables.read(TableName.REVIEWS, ["review"], {"review": review}).num_rows:
                return False
            origin = Origin(run_id, self.bundle, began, held.number)
            rows = whole_rows(TableName.REVIEWS, self._rows(review), origin)
            held.check()
            self._record(tables, origin, settings, Outcome.RUNNING)  # rows need their run
            try:
                held.check()
                tables.append(TableName.REVIEWS, rows)
            except SteelDefectError as error:
                self._record(tables, origin, settings, Outcome.FAILED, str(error))
                raise
            self._record(tables, origin, settings, Outcome.SUCCESS)
        return True

    def _record(
        self,
        tables: Tables,
        origin: Origin,
        settings: ScoreSettings,
        outcome: Outcome,
        error: str | None = None,
    ) -> None:
        names = {str(one): name for one, name in self.classes.items()}
        record = RunRecord(
            "review",
            self.output,
            outcome,
            (datetime.now(UTC) - origin.scored_at).total_seconds(),
            settings.model_dump_json(),
            classes=json.dumps(names),
            error=error,
            planned=self.pictures,
        )
        record_run(tables, origin, record)

    def _rows(self, review: str) -> list[dict[str, Any]]:
        same = {"review": review, "format": self.format}
        return [row | same for one in self.reviewed for row in _rows(one, self.classes)]

    def _id(self) -> str:
        """Return an id that the same reviews of the same export always have."""
        content = [
            [one.shown.name, sorted(one.masks.items()), one.reviewer] for one in self.reviewed
        ]
        text = json.dumps([self.id, sorted(content)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _rows(one: Reviewed, classes: Mapping[int, str]) -> list[dict[str, Any]]:
    shown = one.shown
    same = {
        name: getattr(shown, name)
        for name in ("source", "key", "image_id", "etag", "width", "height")
    }
    same |= {"scored_run": shown.run_id, "reviewer": one.reviewer, "reviewed_at": one.reviewed_at}
    return [
        same
        | {"class_id": class_id, "class_name": name}
        | {"run_lengths": one.masks.get(class_id, ""), "verdict": one.verdict(class_id)}
        for class_id, name in classes.items()
    ]
