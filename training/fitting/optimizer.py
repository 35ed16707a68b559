"""The optimizer of a fit; some of its variables may learn more slowly than the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from training.backend import keras
from training.recipe import Optimizer, OptimizerKind

_OPTIMIZERS = {
    OptimizerKind.ADAM: keras.optimizers.Adam,
    OptimizerKind.ADAMW: keras.optimizers.AdamW,
    OptimizerKind.NADAM: keras.optimizers.Nadam,
}


@dataclass(frozen=True)
class Slower:
    """Variables that learn more slowly than the others.

    Attributes:
        variables: Keras variables.
        share: their learning rate, as a share of the optimizer's, above 0 and at most 1.
    """

    variables: Sequence[Any] = ()
    share: float = 1.0


NOTHING_SLOWER = Slower()
"""All variables have the same learning rate."""


def make_optimizer(
    settings: Optimizer, slower: Slower = NOTHING_SLOWER
) -> keras.optimizers.Optimizer:
    """Create the optimizer of a recipe; `fitting.schedule` sets its learning rate per batch."""
    options: dict[str, Any] = {"learning_rate": settings.learning_rate}
    if settings.epsilon is not None:
        options["epsilon"] = settings.epsilon
    if settings.weight_decay:
        options["weight_decay"] = settings.weight_decay
    if settings.averaging:
        options |= {"use_ema": True, "ema_momentum": settings.averaging}
    kind = _OPTIMIZERS[settings.kind]
    if slower.share == 1 or not slower.variables:
        return kind(**options)
    return _slowed(kind)(slower, **options)


@cache
def _slowed(kind: Any) -> Any:
    """Return a kind of optimizer that some variables follow more slowly."""

    class Slowed(kind):  # type: ignore[misc]
        """Optimizer with two learning rates. The weights of all variables decay alike."""

        def __init__(self, slower: Slower, **options: Any) -> None:
            super().__init__(**options)
            self._share = slower.share
            # Keras gives the variables of TensorFlow to `update_step`, not its own
            self._slow = frozenset(id(one.value) for one in slower.variables)

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            """Change one variable by its gradient."""
            share = self._share if id(variable) in self._slow else 1.0
            super().update_step(gradient, variable, learning_rate * share)

    return Slowed
