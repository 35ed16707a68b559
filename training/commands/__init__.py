"""The commands of `python -m training`, one module each.

`add_to` adds the command to the parser, `run` runs it. A module imports its work only in `run`:
the import of TensorFlow takes seconds, and `--help` and cheap checks must not wait for it.
"""

from training.commands import (
    compare,
    explore,
    fit,
    generate,
    list_bundles,
    pool,
    promote,
    pseudo_label,
    recalibrate,
    sign,
    split,
)

COMMANDS = (
    explore,
    generate,
    split,
    fit,
    pseudo_label,
    recalibrate,
    pool,
    compare,
    promote,
    sign,
    list_bundles,
)

__all__ = ["COMMANDS"]
