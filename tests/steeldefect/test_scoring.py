"""What a scoring run decides before Spark starts."""

from __future__ import annotations

import pytest

from steeldefect.bundle import ModelForm
from steeldefect.scoring import Totals, needed_forms
from steeldefect.settings import load_settings
from steeldefect.worker import TaskReport

KERAS, OPENVINO = (ModelForm.KERAS,), (ModelForm.OPENVINO,)
EITHER = (ModelForm.KERAS, ModelForm.OPENVINO)


@pytest.mark.parametrize(
    ("overrides", "gpus", "forms"),
    [
        ([], False, OPENVINO),
        ([], True, EITHER),  # a task may be given a GPU, or none
        (["device=cpu"], True, OPENVINO),
        (["device=gpu"], True, KERAS),
        (["device=gpu"], False, KERAS),
        (["runtime=tensorflow"], False, KERAS),
        (["runtime=tensorflow", "device=cpu"], True, KERAS),
        (["runtime=openvino"], True, OPENVINO),
    ],
)
def test_which_forms_of_the_models_are_shipped(
    overrides: list[str], gpus: bool, forms: tuple[ModelForm, ...]
) -> None:
    assert needed_forms(load_settings(None, overrides), gpus_scheduled=gpus) == forms


def test_totals_add_up_over_waves() -> None:
    totals = Totals()
    totals.add([TaskReport([], 3, 1, 2, {"gate": 1.0}), TaskReport([], 2, 0, 0, {"gate": 0.5})])
    totals.add([TaskReport([], 1, 1, 1, {"segment": 2.0})])
    assert (totals.waves, totals.scored, totals.quarantined, totals.defective) == (2, 6, 2, 3)
    assert totals.done == 8
    assert totals.stage_seconds == {"gate": 1.5, "segment": 2.0}
