"""Look at pages in headless Chromium (`browser/look.js`)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from support.samples import ROOT

MODULES = ROOT / "build" / "browser" / "node_modules"
WAYS = ("light, wide", "light, narrow", "dark, wide", "dark, narrow")
"""Colours of the screen, and its width: 1280 or 390 pixels."""
TWO_WAYS = ("light, wide", "dark, narrow")
ONE_WAY = ("light, wide",)
_LOOK = Path(__file__).with_name("browser") / "look.js"


@dataclass(frozen=True)
class Looked:
    """A page and the ways to look at it; with several, also on paper and without JavaScript."""

    path: str
    ways: tuple[str, ...] = ONE_WAY


@dataclass(frozen=True)
class Saved:
    """Verdicts to give on a page: the verdict for each key, who gives them, the file to save."""

    path: str
    chosen: tuple[tuple[str, str], ...]
    reviewer: str
    to: str


def look(root: Path, pages: Sequence[Looked], verdicts: Sequence[Saved] = ()) -> dict[str, Any]:
    """Look at pages below a folder, give verdicts, and return what was seen."""
    if not (MODULES / "axe-core").is_dir():
        pytest.skip("axe-core and playwright-core are not in build/browser (make browser)")
    programs = [shutil.which(name) for name in ("node", "chromium")]
    if None in programs:
        pytest.skip("Node.js or Chromium is not installed (make browser)")
    node, chromium = map(str, programs)
    asked = {
        "root": str(root),
        "pages": [asdict(one) for one in pages],
        "verdicts": [asdict(one) for one in verdicts],
    }
    ended = subprocess.run(
        [node, str(_LOOK), str(MODULES), chromium],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"look.js ended with {ended.returncode}: {ended.stderr}")
    seen: dict[str, Any] = json.loads(ended.stdout)
    return seen
