"""Write the section of learning curves: loss, metrics and learning rate by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from steeldefect.pages import markup
from steeldefect.pages.markup import heading, paragraph, quad
from training.fitting.early_stopping import kept_epoch
from training.report import learning_charts
from training.report.contents import Report

Curves = Mapping[str, Sequence[float]]

_LEARNING_RATES = ("learning_rate", "lr")
_VALIDATION = "val_"


def learning(report: Report) -> str:
    """Return the curves of each model; empty without curves."""
    return "".join(
        _model(name, curves, kept_epoch(curves, report.keep(name)))
        for name, curves in report.history.items()
        if any(curves)
    )


def _model(name: str, curves: Curves, kept: int | None) -> str:
    epochs = max(len(values) for values in curves.values())
    charts = [
        markup.chart(
            learning_charts.curve(
                f"{name}-{one}", curves[one], curves.get(_VALIDATION + one), kept
            ),
            _caption(one, curves, kept),
        )
        for one in _order(curves)
    ]
    charts += [
        markup.chart(learning_charts.rate(f"{name}-{one}", curves[one]), "learning rate")
        for one in _LEARNING_RATES
        if curves.get(one)
    ]
    told = "" if kept is None else f"; the weights of epoch {kept + 1} are kept (dashed line)"
    counted = "1 epoch" if epochs == 1 else f"{epochs:,} epochs"
    return heading(name) + paragraph(f"{counted}{told}.") + quad(charts)


def _order(curves: Curves) -> list[str]:
    """List the training curves to draw: the loss first, then the metrics by name."""
    names = {name.removeprefix(_VALIDATION) for name, values in curves.items() if values}
    names -= {"loss", *_LEARNING_RATES}
    return [one for one in ("loss", *sorted(names)) if curves.get(one)]


def _caption(name: str, curves: Curves, kept: int | None) -> str:
    validation = curves.get(_VALIDATION + name)
    if kept is None or not validation or kept >= len(validation):
        return name.replace("_", " ")
    return f"{name.replace('_', ' ')}: {validation[kept]:.4f} on validation"
