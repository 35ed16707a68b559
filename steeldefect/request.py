"""What a scoring run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from steeldefect.settings import ScoreSettings


@dataclass(frozen=True)
class Request:
    """What a run is asked to do.

    `inventory_uri`: of a table with the input's keys (`plan.inventory`); None: list them.
    """

    input_uri: str
    bundle_uri: str
    output_uri: str
    settings: ScoreSettings
    inventory_uri: str | None = None
