"""The commands of `steeldefect`, one module each: `add_to` adds its parser, `run` runs it.

A module imports Spark and pandas only in `run`: they take seconds to import, and `--help` does not
need them.
"""

from steeldefect.commands import (
    evaluate,
    export,
    export_kaggle,
    find,
    maintain,
    overlays,
    pack,
    report,
    rethreshold,
    review,
    score,
    show,
    sql,
    tables,
    watch,
)

COMMANDS = (
    score,
    evaluate,
    find,
    sql,
    watch,
    report,
    rethreshold,
    export,
    export_kaggle,
    overlays,
    show,
    review,
    maintain,
    pack,
    tables,
)

__all__ = ["COMMANDS"]
