"""Check whether too many pictures have failed for a run to go on."""

from __future__ import annotations

from steeldefect.errors import FailureShareError, SourceDownError
from steeldefect.scoring.task_report import Failures
from steeldefect.settings import ScoreSettings


def check_failures(failures: Failures, pictures: int, settings: ScoreSettings, what: str) -> None:
    """Raise an error if too many pictures have failed.

    Pictures that had failed in an earlier run do not count: they must not block new ones.

    Args:
        failures: failures of the run or the wave so far.
        pictures: number of pictures, failed or not, that had not failed in an earlier run.
        settings: `max_failure_share` and `min_failures` count.
        what: the part that is not published, for the message, such as "this wave".

    Raises:
        SourceDownError: too many have failed, and the store caused at least half of the failures.
        FailureShareError: too many have failed, mostly because of the pictures or the models.
    """
    share = failures.new / pictures if pictures else 0.0
    if failures.new < settings.min_failures or share <= settings.max_failure_share:
        return
    counted = (
        f"{failures.new} of {pictures} pictures failed ({share:.1%}), over max_failure_share="
        f"{settings.max_failure_share:g}; {what} was not published; for example "
        f"{'; '.join(failures.examples)}"
    )
    if 2 * failures.unread >= failures.new:
        raise SourceDownError(
            f"the store did not give {failures.unread} of {pictures} pictures: {counted}; check "
            "the store that holds the pictures, and the rights to read them; start again"
        )
    if failures.new == pictures:
        raise FailureShareError(
            f"{counted}; every picture failed: check that this bundle is meant for these pictures"
        )
    raised = min(1.0, share + 0.05)
    raise FailureShareError(
        f"{counted}; correct the input, or raise the limit with "
        f"--set max_failure_share={raised:.2f}"
    )
