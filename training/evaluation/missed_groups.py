"""Count groups of pictures, and the groups in which a picture is missed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def missed_groups(groups: Sequence[str], missed: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return the number of groups, and of groups with a missed picture.

    Args:
        groups: group of each picture.
        missed: bool (pictures,), whether the picture is missed.
    """
    names = np.array(groups, dtype=object)
    return len(set(names)), len(set(names[missed]))
