"""Read the Markdown documents of this repository as a program does that shows them as pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
_WHERE = ("*.md", "docs/**/*.md", "benchmarks/**/*.md", "tests/*/*.md", "examples/**/*.md")
DOCUMENTS = sorted(path for pattern in _WHERE for path in ROOT.glob(pattern))

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_HTML_TARGET = re.compile(r"""\b(?:href|src)\s*=\s*["']([^"']+)["']""")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Document:
    """A Markdown text, and the path of its file."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> Document:
        return cls(path, path.read_text(encoding="utf-8"))

    def _tokens(self) -> Iterator[Token]:
        for block in _MARKDOWN.parse(self.text):
            yield block
            yield from block.children or ()

    def targets(self) -> list[str]:
        """Return the targets of links and pictures, as they are written."""
        found: list[str] = []
        for token in self._tokens():
            if token.type in ("link_open", "image"):
                found.append(str(token.attrs.get("href") or token.attrs.get("src")))
            elif token.type in ("html_block", "html_inline"):
                found.extend(_HTML_TARGET.findall(token.content))
        return found

    def code(self) -> list[str]:
        """Return the content of each code block and each code span."""
        kinds = ("fence", "code_block", "code_inline")
        return [token.content for token in self._tokens() if token.type in kinds]

    def anchors(self) -> set[str]:
        """Return the anchors of the headings, as GitHub and the site make them."""
        blocks = _MARKDOWN.parse(self.text)
        titles = [
            "".join(child.content for child in after.children or ())
            for block, after in pairwise(blocks)
            if block.type == "heading_open"
        ]
        seen: Counter[str] = Counter()
        anchors = set()
        for title in titles:
            plain = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            anchors.add(f"{plain}-{seen[plain]}" if seen[plain] else plain)
            seen[plain] += 1
        return anchors
