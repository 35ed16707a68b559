"""Facts in plain words: what changed, by how much, and what it was before."""

from __future__ import annotations

from dataclasses import dataclass

from steeldefect.watch.distances import Tested
from steeldefect.watch.pairs import Pair
from steeldefect.watch.quantities import (
    AREA,
    BLACK_MARGIN,
    CAMERA_SHARE,
    CLASS_RATE,
    CLIPPED_BRIGHT,
    CLIPPED_DARK,
    DEFECTIVE_RATE,
    FAILURE_RATE,
    GATE_PROBABILITY,
    GRAY_MEAN,
    GRAY_STD,
    LENGTH,
    SHARPNESS,
)
from steeldefect.watch.samples import Count

_NOTABLE = 0.05  # relative change of a median that describes a change of a distribution
_LEAST_SHARE = 0.005  # median share below which a relative change describes nothing


@dataclass(frozen=True)
class _Words:
    """How a quantity is written: subject, words for less and more, label of its median, format."""

    subject: str
    less: str
    more: str
    label: str
    form: str


_SHARE = ("smaller", "greater")
_WORDS = {
    GRAY_MEAN: _Words("pictures are", "darker", "brighter", "median gray", ".0f"),
    GRAY_STD: _Words("contrast is", "lower", "higher", "median deviation of gray", ".1f"),
    SHARPNESS: _Words("sharpness is", "lower", "higher", "median squared Laplacian", ".4g"),
    CLIPPED_DARK: _Words("share of black pixels is", *_SHARE, "median share", ".2%"),
    CLIPPED_BRIGHT: _Words("share of white pixels is", *_SHARE, "median share", ".2%"),
    BLACK_MARGIN: _Words("dark margin is", "narrower", "broader", "median share", ".1%"),
    GATE_PROBABILITY: _Words("gate probability is", "lower", "higher", "median", ".3f"),
    AREA: _Words("are", "smaller", "larger", "median area in pixels", ".0f"),
    LENGTH: _Words("are", "shorter", "longer", "median length in pixels", ".0f"),
}
_RATE_WORDS = {
    FAILURE_RATE: "{rate} of the pictures could not be scored",
    DEFECTIVE_RATE: "{rate} of the pictures show a defect",
    CLASS_RATE: "{name} is on {rate} of the pictures",
    CAMERA_SHARE: "it sent {rate} of the pictures",
}


def who(camera: str | None) -> str:
    """Return how a camera is called in a sentence."""
    if camera is None:
        return "all pictures"
    return camera if camera.lower().startswith("camera") else f"camera {camera}"


def fact(pair: Pair, tested: Tested | None, class_name: str | None) -> str:
    """Return what was found on a pair.

    Args:
        pair: the pair.
        tested: the result of its test; None if it was not compared.
        class_name: name of the quantity's class; None if it has none.
    """
    name = class_name or ""
    subject = " of ".join(filter(None, [pair.quantity.name, name]))
    if tested is None:
        return f"{who(pair.camera)}: {subject} not compared: {pair.reason}"
    if isinstance(pair.now, Count):
        text = _rate_fact(pair, name)
    elif tested.alarm:
        text = _change(pair, tested, name)
    else:
        text = f"{subject}: {_medians(pair)}"
    if tested.threshold is None:
        text += "; too few independent pictures for any alarm"
    elif not tested.alarm:
        text = f"no alarm: {text}"
    return f"{who(pair.camera)}: {text}"


def _medians(pair: Pair) -> str:
    words = _WORDS[pair.quantity.name]
    before, now = value_of(pair, "before"), value_of(pair, "now")
    return f"{words.label} {now:{words.form}}, before {before:{words.form}}"


def _change(pair: Pair, tested: Tested, name: str) -> str:
    words = _WORDS[pair.quantity.name]
    before, now = value_of(pair, "before") or 0.0, value_of(pair, "now") or 0.0
    least = _LEAST_SHARE if words.form.endswith("%") else 0.0
    if before <= least or abs(now / before - 1) < _NOTABLE:
        return _shape(pair, tested, name)
    subject = f"{name} defects {words.subject}" if name else words.subject
    if now < before:
        size, word = f"{1 - now / before:.0%}", words.less
    else:
        size, word = _growth(now / before), words.more
    return f"{subject} {size} {word} than in the reference ({_medians(pair)})"


def _growth(ratio: float) -> str:
    return f"{ratio - 1:.0%}" if ratio < 3 else f"{ratio:.3g} times"


def _shape(pair: Pair, tested: Tested, name: str) -> str:
    """Describe a change that the median does not show."""
    before, now = tested.above or (0.0, 0.0)
    subject = f"{pair.quantity.name} of {name}" if name else pair.quantity.name
    place = f"{tested.place:.4g}"
    return f"{subject} is above {place} for {now:.0%} of the values, before for {before:.0%}"


def _rate_fact(pair: Pair, name: str) -> str:
    before, now = value_of(pair, "before") or 0.0, value_of(pair, "now") or 0.0
    if pair.quantity.name == CAMERA_SHARE and now == 0:
        return f"no picture came (it sent {before:.1%} of the reference)"
    text = _RATE_WORDS[pair.quantity.name].format(name=name, rate=f"{now:.2%}")
    times = f" ({now / before:.1f} times)" if before > 0 and now / before >= 1.05 else ""
    return f"{text}, before {before:.2%}{times}"


def value_of(pair: Pair, side: str) -> float | None:
    """Return the median or rate of one side, `before` or `now`; None without values."""
    values = pair.before if side == "before" else pair.now
    return values.rate if isinstance(values, Count) else values.median
