"""What all sections of a recipe have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class RecipePart(BaseModel):
    """Settings that are checked at the door and never change; an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
