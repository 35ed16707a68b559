"""The base class of all sections of a recipe."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class RecipePart(BaseModel):
    """Immutable settings that are validated when they are read; an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
