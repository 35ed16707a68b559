"""Whether too many pictures fail for a run to go on."""

from __future__ import annotations

from steeldefect.errors import FailureShareError, SourceDownError
from steeldefect.scoring.task_report import Failures
from steeldefect.settings import ScoreSettings


def check_failures(failures: Failures, pictures: int, settings: ScoreSettings, what: str) -> None:
    """Stop a run in which too many pictures fail.

    Pictures that had failed in an earlier run never count: they must not block new ones.

    Args:
        failures: of the run or the wave so far.
        pictures: new ones, that had not failed before, among which these failures are.
        settings: give the share, and the least number of failures that are judged.
        what: is stopped, in words.

    Raises:
        SourceDownError: most of the failures are the store's.
        FailureShareError: they are the pictures' or the models'.
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
        raise FailureShareError(f"{counted}; every picture failed: is this the bundle for them?")
    raised = min(1.0, share + 0.05)
    raise FailureShareError(
        f"{counted}; mend the input, or raise the limit with --set max_failure_share={raised:.2f}"
    )
