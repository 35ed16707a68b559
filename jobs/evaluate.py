"""Compare the predictions with the truth, and write the tables `confusions` and `metrics`.

    spark-submit jobs/evaluate.py --output URI --labels CSV [--pictures CSV] [--groups CSV]
        [--bundle DIGEST]

The labels are true run lengths (`ImageId,ClassId,EncodedPixels`). `--pictures` (`ImageId,label`)
lists the pictures that they cover; its default is `labels.csv` or the tutorial's
`defect_and_no_defect.csv` in the folder of the labels. Without such a file, every scored picture
that has no mask counts as clean. `--labels reviews` takes what people said, from the table
`reviews`. `--groups` (`ImageId,group`) says which pictures belong together, for the intervals.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from steeldefect.commands.evaluate import add_arguments
from steeldefect.program.command import CommandParser, run_command


def evaluate(arguments: argparse.Namespace) -> None:
    """Recover, read tables and truth, count, publish, report."""
    # imported here: this takes a second or two, and signals are handled meanwhile
    from steeldefect.spark.session import follow_signals, opened_session

    follow_signals()

    from steeldefect.evaluation.evaluation import Evaluation, EvaluationRequest, recover_waves
    from steeldefect.settings import load_settings

    settings = load_settings(arguments.config, arguments.set)
    request = EvaluationRequest(
        arguments.output,
        arguments.labels,
        arguments.pictures,
        arguments.bundle,
        settings,
        arguments.groups,
    )
    recover_waves(request)
    evaluation = Evaluation(request)
    with opened_session("steeldefect evaluate") as session:
        counts = evaluation.count(session)
    scores = evaluation.scores(counts)
    evaluation.publish(counts, scores)
    print(evaluation.report(scores))


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, evaluate, and return the exit code."""
    parser = CommandParser(prog="evaluate.py", description="Compare predictions with the truth.")
    add_arguments(parser)
    return run_command(parser, evaluate, arguments)


if __name__ == "__main__":
    sys.exit(main())
