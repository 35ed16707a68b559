"""An output of pictures whose keys, coils, cameras, sides and classes have hostile names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from steeldefect.bundle.files import Bundle
from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import Origin, whole_rows
from steeldefect.tables.schema import TableName
from support.archives import rows
from support.morning import STRIP, Plant, done, random_picture, runs_of, watch_without_spark
from support.samples import save, score_arguments
from support.short_runs import score_without_spark

HOSTILE_COILS = (
    "<img src=x onerror=alert(1)>",
    '"><script>alert(2)</script>',
    'it\'s "both" & &amp; &lt;b&gt;',
    "line\nfeed\ttab\rreturn",
    "\u202ekram\u202c after\u200f and \u2066kept",
    "n" * 200,
    "{{ 7*7 }}{% raw %}",
    "$run'; drop table images; --",
    "Рулон 鋼板 لفة",
    "  two  spaces\u00a0\u200b ",
)
HOSTILE_CAMERAS = ("<svg onload=alert(3)>", "'\"&\t\u202ec2")
HOSTILE_CLASSES = (
    "<b onmouseover=alert(4)>\u202ehell\"'&</b>",
    "{{ 7*7 }}'; drop table images; --",
)
_ANY_NAME = r"(?s)(?P<coil>.+)/(?P<camera>[^/]+)/(?P<frame>\d+)(?P<side>.*)\.png"
_HOSTILE_SIDE = "<i>&\u202e$day"


def make_hostile(folder: Path, bundles: tuple[Bundle, Bundle]) -> Plant:
    """Score one night of pictures whose keys, coils, cameras, sides and classes are hostile."""
    archive, output = folder / "archive & <u>'\"", str(folder / "output & <u>'")
    for number, coil in enumerate(HOSTILE_COILS):
        for camera in HOSTILE_CAMERAS:
            for frame in range(3):
                rng = np.random.default_rng(100 * number + frame)
                name = f"{coil}/{camera}/{frame}{_HOSTILE_SIDE}.png"
                path = archive / name
                save(random_picture(rng, frame), archive / "new.png")
                path.parent.mkdir(parents=True, exist_ok=True)
                (archive / "new.png").rename(path)
    (archive / f"{HOSTILE_COILS[0]}/{HOSTILE_CAMERAS[0]}/9.png").write_bytes(b"")
    arguments = (
        *score_arguments(archive, bundles[0].folder, output),
        *("--shadow", str(bundles[1].folder), "--set", f"strip.key_pattern={_ANY_NAME}", *STRIP),
        *("--set", "audit_share=1", "--set", "max_failure_share=1"),
    )
    done(score_without_spark(arguments))
    (run,) = runs_of(output)
    watch_without_spark(output, run)
    write_hostile_watch(output, run, bundles[0])
    return Plant(archive, output, (run,), *bundles, arguments)


def write_hostile_watch(output: str, run: str, bundle: Bundle) -> None:
    """Write a repeat and an alarm whose sentences hold hostile names."""
    (made,) = [one for one in rows(output, TableName.RUNS) if one["run_id"] == run]
    origin = Origin(run, bundle.digest, made["scored_at"], made["run_number"])
    sentence = f"coil {HOSTILE_COILS[4]}, class {HOSTILE_CLASSES[0]}: a roll {HOSTILE_COILS[0]}"
    repeat = {"kind": "roll", "coil": HOSTILE_COILS[4], "camera": HOSTILE_CAMERAS[1]}
    repeat |= {"class_id": 1, "class_name": HOSTILE_CLASSES[0], "roll": 1, "ratio": 1}
    repeat |= {"period_mm": 400.0, "diameter_mm": 127.0, "begin_mm": 10.0, "end_mm": 1_300.0}
    repeat |= {"lane_mm": 60.0, "p_value": 0.001, "defects": 1, "sentence": sentence}
    (member,) = [
        one
        for one in rows(output, TableName.DEFECTS)
        if (one["run_id"], one["coil"], one["camera"], one["class_id"], one["audit"])
        == (run, HOSTILE_COILS[4], HOSTILE_CAMERAS[1], 1, False)
    ]
    repeat |= {"member_sources": [member["source"]], "member_keys": [member["key"]]}
    repeat |= {"member_numbers": [member["number"]]}
    alarm = {"camera": HOSTILE_CAMERAS[0], "quantity": "gray_mean", "reference": "run <b>"}
    alarm |= {"reference_count": 30, "night_count": 30, "alarm": True, "distance": 0.5}
    alarm |= {"threshold": 0.1, "reference_value": 120.0, "night_value": 70.0}
    alarm |= {"sentence": f"camera {HOSTILE_CAMERAS[0]}: darker (median 70): {HOSTILE_COILS[1]}"}
    tables = Tables(open_store(output))
    for table, row in ((TableName.REPEATS, repeat), (TableName.DRIFT, alarm)):
        tables.replace(table, whole_rows(table, [row], origin), {"run_id": run})
