"""The commands of `python -m training`, one module each; `add_to` describes it, `run` does it.

Modules import what they run only when they run it: TensorFlow takes seconds, and `--help` and
cheap checks should not wait for it.
"""

from training.commands import (
    compare,
    explore,
    fit,
    generate,
    list_bundles,
    pool,
    promote,
    sign,
    split,
)

COMMANDS = (explore, generate, split, fit, pool, compare, promote, sign, list_bundles)

__all__ = ["COMMANDS"]
