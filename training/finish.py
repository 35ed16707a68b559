"""The end of a fit: models are calibrated, compiled, measured and reported on.

Thresholds are chosen and forms compared on the validation part. The test part comes last, once,
in the form that scoring will run: nothing is chosen by what it says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from steeldefect.bundle.manifest import CpuPrecision
from training.calibration.calibrate import calibrate
from training.evaluation.held_out import hold_out
from training.export.choose_precision import prove
from training.export.staging import Staged
from training.export.write_bundle import Completed
from training.fitting.checkpoint import History
from training.progress import say
from training.recipe import Recipe
from training.registry.held_out import HELD_OUT_NAME
from training.report import Report, write_report
from training.splitting.split import SPLIT_NAME, Parts

HISTORY_NAME = "history.json"
REPORT_NAME = "report.html"


@dataclass(frozen=True)
class Finish:
    """Completes a bundle from its staged models.

    Attributes:
        recipe: with the sizes of its inputs fixed.
        parts: of the split.
        history: of each model.
    """

    recipe: Recipe
    parts: Parts
    history: Mapping[str, History]

    def __call__(self, staged: Staged) -> Completed:
        """Choose, compare, measure, report; see `training.export.write_bundle.write_bundle`."""
        parts, draft = self.parts, staged.draft
        say(f"calibrating on {len(parts.validation)} validation pictures")
        exact = staged.detector(draft, CpuPrecision.F32)
        calibrated = calibrate(exact, draft, parts.validation, self.recipe.calibrate)
        notes = [*draft.training.notes, *calibrated.notes]
        manifest = calibrated.manifest.model_copy(
            update={"training": draft.training.model_copy(update={"notes": notes})}
        )
        compiled = prove(staged, manifest, parts.train, parts.validation, self.recipe.compile)
        say(f"measuring on {len(parts.test)} test pictures, in {compiled.default.value}")
        held_out = hold_out(staged.detector(manifest, compiled.default), parts.test)
        final = manifest.model_copy(
            update={"compiled": compiled, "held_out_scores": held_out.scores}
        )
        report = Report(
            manifest=final,
            history=self.history,
            held_out=held_out.table,
            curves=calibrated.curves,
            pictures=parts.test,
            found=held_out.found,
        )
        return Completed(
            final,
            {
                SPLIT_NAME: parts.to_csv(),
                HISTORY_NAME: json.dumps(self.history, indent=1) + "\n",
                HELD_OUT_NAME: held_out.to_csv(),
                REPORT_NAME: write_report(report),
            },
        )
