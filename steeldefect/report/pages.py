"""Write the pages of a night, of its coils, and of all nights as HTML (Jinja).

Every text from the tables is escaped by the templates, and nothing in a page runs except its own
script, whose hash the page's policy names (Content Security Policy).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

import jinja2
from markupsafe import Markup

from steeldefect.pages.marks import shape_of, sign
from steeldefect.pages.palette import class_colour
from steeldefect.pages.style import STYLE
from steeldefect.pictures.strip import Places
from steeldefect.report import charts, texts
from steeldefect.report.answers import Answer, Row
from steeldefect.report.chosen import Chosen, Part, PlateFile, Shown
from steeldefect.report.coils import Coil
from steeldefect.report.destination import COILS, night_path
from steeldefect.report.facts import Facts
from steeldefect.report.runs import NightRun, Nights
from steeldefect.report.trust import evaluation_rows, hidden_row, shadow_digests, trust_sentences
from steeldefect.report.verdict import URGENCY_TEXT, Verdict, brief, to_do, verdict_of
from steeldefect.review.page_verdicts import FORM
from steeldefect.versions import versions
from steeldefect.watch.facts import who

_CONTENTS = (
    ("changed", "What changed"),
    ("look", "What to look at"),
    ("strip", "On the strip"),
    ("not-scored", "What could not be scored"),
    ("trust", "How far to trust it"),
    ("charts", "Over the nights"),
    ("found", "Everything found"),
    ("provenance", "Where this comes from"),
)
_LOOK = (
    (
        Part.WORST,
        "Worst defects",
        "The largest defects of each class.",
        "Nothing was found.",
    ),
    (
        Part.REPEATS,
        "Marks that repeat",
        "Pictures with marks of the repeats above.",
        "No mark repeats.",
    ),
    (
        Part.UNCERTAIN,
        "Uncertain",
        "The models were near a threshold here: a person sees more.",
        "Nothing is near a threshold.",
    ),
    (
        Part.AUDIT,
        "Behind the gate",
        "The gate stopped these pictures, and its audit found something on them all the same.",
        "The audit of the gate found nothing on the pictures that it looked at.",
    ),
    (
        Part.SHADOW,
        "Where the second bundle differs",
        "A second set of models (the second bundle) looked at the same pictures: white dashes show "
        "what it found. A verdict is about the coloured outlines.",
        "No second bundle scored these pictures, or both found the same.",
    ),
)
_MAPPED = 3  # coils whose maps are on the night's page


@dataclass(frozen=True)
class Origin:
    """What all pages of one call share.

    Attributes:
        output: address of the tables.
        made_at: when the pages are made (UTC).
        nights: all nights.
        existing: ids of the runs that have a page.
    """

    output: str
    made_at: datetime
    nights: Nights
    existing: frozenset[str]


@dataclass(frozen=True)
class NightContent:
    """What the pages of one night show.

    Attributes:
        facts: what the tables say.
        chosen: its pictures.
        coils: its coils with something to show.
    """

    facts: Facts
    chosen: Chosen
    coils: Sequence[Coil]


def night_page(origin: Origin, night: NightContent) -> str:
    """Return the page of a night, for `nights/RUN.html`."""
    links = {coil.name: f"../{coil_path(night, coil)}" for coil in night.coils}
    return _night_html(origin, night, {"root": "../", "single": False, "coil_links": links})


def single_page(origin: Origin, night: NightContent) -> str:
    """Return one page with everything of a night in it; its pictures are `data:` addresses."""
    links = {coil.name: f"#coil-{coil.number}" for coil in night.coils[:30]}
    return _night_html(origin, night, {"root": "", "single": True, "coil_links": links})


def coil_path(night: NightContent, coil: Coil) -> str:
    """Return the path of a coil's page."""
    return f"{COILS}/{night.facts.run.run_id}/{coil.file}.html"


def coil_page(origin: Origin, night: NightContent, coil: Coil) -> str:
    """Return the page of a coil."""
    run = night.facts.run
    context = _of_night(origin, run) | {"coil": coil, "root": "../../"}
    return _render("coil.html", origin, context)


def index_page(
    origin: Origin, alarms: Answer, repeats: Answer, newest: Verdict, newest_run: NightRun
) -> str:
    """Return the page over all nights.

    Args:
        origin: what all pages share.
        alarms: answer to `questions.ALARMS_OF_ALL`.
        repeats: answer to `questions.REPEATS_OF_ALL`.
        newest: verdict of the newest night.
        newest_run: the newest night.
    """
    runs = origin.nights.runs
    alarmed = {one["run_id"]: one for one in alarms.rows}
    marks = {one["run_id"]: one["repeats"] for one in repeats.rows}
    rows = [
        {
            "run": run,
            "name": f"{run.scored_at:%Y-%m-%d %H:%M:%S}",
            "sentence": _in_short(run, alarmed.get(run.run_id), marks.get(run.run_id, 0)),
            "link": night_path(run.run_id) if run.run_id in origin.existing else None,
        }
        for run in reversed(runs)
    ]
    context = {
        "verdict": newest,
        "urgency": f"{URGENCY_TEXT[newest.urgency]}.",
        "newest_name": texts.night_name(newest_run.scored_at),
        "newest_time": f"{newest_run.scored_at:%H:%M:%S}",
        "newest_link": night_path(newest_run.run_id)
        if newest_run.run_id in origin.existing
        else None,
        "charts": _run_charts(runs),
        "rows": rows,
        "nights_answer": origin.nights.answer,
        "alarms_answer": alarms,
        "repeats_answer": repeats,
        "root": "",
    }
    return _render("index.html", origin, context)


def _in_short(run: NightRun, alarmed: Row | None, marks: int) -> str:
    parts = []
    if marks:
        parts.append(f"{marks} {'mark repeats' if marks == 1 else 'marks repeat'}.")
    if alarmed is not None and alarmed["cameras"]:
        one = alarmed["cameras"] == 1
        differ = "differs" if one else "differ"
        parts.append(f"{texts.counted(alarmed['cameras'], 'camera')} {differ} from the reference.")
    elif alarmed is not None:
        parts.append("Pictures or findings differ from the reference.")
    return " ".join([*parts, brief(run).sentence])


def _night_html(origin: Origin, night: NightContent, where: Mapping[str, Any]) -> str:
    facts, run = night.facts, night.facts.run
    verdict = verdict_of(facts)
    before = [one for one in origin.nights.until(run, 2)[:-1] if one.run_id in origin.existing]
    context = {
        **_of_night(origin, run),
        **where,
        "verdict": verdict,
        "urgency": f"{URGENCY_TEXT[verdict.urgency]}.",
        "before": before[0] if before else None,
        "facts": facts,
        "found": facts.found.row,
        "defects_total": sum(one["defects"] for one in facts.defects.rows),
        "hidden": hidden_row(facts),
        "contents": _CONTENTS,
        "look": _LOOK,
        "chosen": night.chosen,
        "sheet": [one for one in night.chosen.pictures if one.regions and not one.behind_gate],
        "coils": night.coils,
        "mapped": [] if where["single"] else night.coils[:_MAPPED],
        "trust": trust_sentences(facts),
        "evaluated": evaluation_rows(facts),
        "charts": _night_charts(facts),
        "nights_answer": origin.nights.answer,
        "shadows": shadow_digests(facts),
        "shadow_part": Part.SHADOW,
        "to_do": to_do(facts),
        "alarmed": {one["camera"] for one in facts.alarms} - {None},
        "coil_span": _coil_span(facts),
        "places": [_place_of(run, one["key"]) for one in facts.failed.rows],
        "engine": run.engine or "",
        "scored_by": json.loads(run.versions).get("steeldefect", "unknown"),
        "settings_text": _indented(run.settings),
        "versions_text": _indented(run.versions),
    }
    return _render("night.html", origin, context)


def _coil_span(facts: Facts) -> str:
    """Return how many coils the night has, and the first and the last of them by name."""
    names = [str(one["coil"]) for one in facts.coils.rows]
    if not names:
        return ""
    span = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    return f"{texts.counted(len(names), 'coil')}: {span}"


def _place_of(run: NightRun, key: str) -> str:
    """Return where a picture that could not be scored lies, as far as its key states it."""
    place = Places(run.strip).of(key, None)
    parts = [
        place.coil and f"coil {place.coil}",
        place.camera and who(place.camera),
        None if place.position_mm is None else f"from {place.position_mm / 1000:,.1f} m",
    ]
    return ", ".join(filter(None, parts))


def _indented(text: str) -> str:
    return json.dumps(json.loads(text), indent=1, ensure_ascii=False)


def _of_night(origin: Origin, run: NightRun) -> dict[str, Any]:
    """Return what the pages of a night and of its coils share."""
    form = {
        "form": FORM,
        "version": 1,
        "output": origin.output,
        "run": run.run_id,
        "bundle": run.bundle,
    }
    # a text that ends a script, or begins a comment, must not stand in a script
    safe = json.dumps(form).replace("<", "\\u003c")
    return {
        "run": run,
        "night_name": texts.night_name(run.scored_at),
        "verdict_form": Markup(safe),  # noqa: S704
    }


def _run_charts(runs: Sequence[NightRun]) -> list[tuple[str, str]]:
    return [
        (charts.share_defective(runs), "Share of the pictures with a defect, by night."),
        (charts.not_scored(runs), "Share of the pictures that could not be scored, by night."),
        (charts.throughput(runs), "Pictures scored a second, by night."),
    ]


def _night_charts(facts: Facts) -> list[tuple[str, str]]:
    runs = facts.history
    drawn = _run_charts(runs)
    named = {one: texts.plain(name)[:30] for one, name in facts.run.classes.items()}
    area = charts.area_by_class(runs, facts.areas.rows, named)
    drawn.insert(1, (area, "Area found of each class by night, in pixels for each picture."))
    if facts.gate.rows:
        stated = facts.run.thresholds
        threshold = None if stated is None or stated.gate is None else stated.gate.threshold
        histogram = charts.gate_histogram(facts.gate.rows, threshold)
        drawn.append((histogram, f"How sure the gate was tonight. {_gate_caption(facts)}"))
    if facts.cameras.rows:
        rows = [
            one | {"camera": None if one["camera"] is None else texts.plain(one["camera"])}
            for one in facts.cameras.rows
        ]
        limits = charts.camera_limits(runs, rows) if any(one["threshold"] for one in rows) else ""
        gray = charts.camera_statistics(runs, rows, "gray_mean", "median gray, 0 to 255", "gray")
        drawn += [
            (limits, "How far each camera is from its reference; above the line is an alarm."),
            (gray, "Brightness of each camera by night; a ring marks an alarm."),
        ]
    return [one for one in drawn if one[0]]


def _gate_caption(facts: Facts) -> str:
    hidden = hidden_row(facts)
    if hidden is None or hidden["value"] is None:
        return "No audit says how many defective pictures it stopped."
    return (
        f"The audit estimates that {hidden['value']:,.0f} of the stopped pictures are defective "
        f"({hidden['low']:,.0f} to {hidden['high']:,.0f})."
    )


def _render(template: str, origin: Origin, context: Mapping[str, Any]) -> str:
    environment = _environment()
    script = environment.loader_text("page.js")
    numbers = itertools.count(1)
    shared = {
        "style": Markup(STYLE + environment.loader_text("page.css")),  # noqa: S704
        "script_text": Markup(script),  # noqa: S704
        "policy": _policy(script),
        "version": versions()["steeldefect"],
        "output": origin.output,
        "made_at": origin.made_at,
        "next_name": lambda: f"verdict-{next(numbers)}",
        "sign": lambda one: Markup(sign(one)),  # noqa: S704
        "shape": shape_of,
        "colour": class_colour,
    }
    page = environment.get_template(template).render(**shared, **context)
    return page.replace("\r", "&#13;")  # as it is, HTML reads it as a line feed


def _policy(script: str) -> str:
    """Return the page's policy: pictures beside it, its own style and script, nothing else."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src 'self' file: data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


class _Environment(jinja2.Environment):
    """Jinja with this room's templates; it also gives texts that are no templates."""

    def loader_text(self, name: str) -> str:
        """Return a file beside the templates as it is."""
        if self.loader is None:
            raise jinja2.TemplateNotFound(name)
        return self.loader.get_source(self, name)[0]


@functools.cache
def _environment() -> _Environment:
    environment = _Environment(
        loader=jinja2.PackageLoader("steeldefect.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "as_is": texts.as_is,
        "plain": texts.plain,
        "word": texts.word,
        "count": texts.count,
        "percent": texts.percent,
        "points": texts.signed_percent,
        "number": texts.number,
        "camera": texts.camera,
        "length_mm": texts.length_mm,
        "metres": lambda one: texts.number(None if one is None else one / 1000, 2),
        "moment": texts.moment,
        "labelled": _labelled,
        "alt": _alt,
        "of": _address,
    }
    return environment


def _labelled(drawing: str, caption: str) -> Markup:
    """Return a chart as HTML whose name for screen readers is its caption."""
    named = drawing.replace("<svg", f'<svg role="img" aria-label="{escape(caption)}"', 1)
    return Markup(named)  # noqa: S704


def _alt(shown: Shown) -> str:
    """Return the text that replaces a picture."""
    what = ", ".join(shown.classes) or "nothing"
    where = "" if shown.coil is None else f" of coil {shown.coil}"
    return texts.plain(f"Picture {shown.key}{where}: {what}, outlined")


def _address(root: str, plate: PlateFile) -> str:
    return root + texts.link(plate.path)
