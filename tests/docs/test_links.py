"""Links inside the repository lead to files and headings that exist.

`make docs` checks the links of the web site, as the site reads them. This test checks all documents
and is fast.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from documents import DOCUMENTS, ROOT, Document, name


def broken(document: Document) -> list[str]:
    """Return the targets in this repository that do not exist."""
    return [target for target in document.targets() if not _leads_somewhere(document, target)]


def _leads_somewhere(document: Document, target: str) -> bool:
    address = urlsplit(target)
    if address.scheme or address.netloc:
        return True  # outside the repository: not checked
    path = (document.path.parent / unquote(address.path)).resolve() if address.path else None
    if path is not None and not (path.exists() and path.is_relative_to(ROOT)):
        return False
    if not address.fragment:
        return True
    aim = document if path is None else Document.read(path) if path.suffix == ".md" else None
    return aim is not None and unquote(address.fragment) in aim.anchors()


def test_the_documents_are_found() -> None:
    assert {"README.md", "CONTRIBUTING.md", "docs/tables.md"} <= set(map(name, DOCUMENTS))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_local_links_lead_somewhere(path: Path) -> None:
    assert broken(Document.read(path)) == []


@pytest.mark.parametrize(
    "target",
    [
        "nothing.md",
        "docs/nothing.svg",
        "docs",  # beside README.md, but the document below lies in docs/
        "tables.md#nothing",
        "#nothing",
        "../setup.py#nothing",  # not Markdown: it has no headings
        "../../etc",  # outside the repository
    ],
)
@pytest.mark.parametrize(
    "written", ["[x](%s)", "![x](%s)", '<a href="%s">x</a>', "| [x](%s) |\n|-|"]
)
def test_a_broken_link_is_noticed(target: str, written: str) -> None:
    document = Document(ROOT / "docs/any.md", f"# Any\n\n{written % target}\n")
    assert broken(document) == [target]


@pytest.mark.parametrize(
    "target",
    [
        "tables.md",
        "../README.md",
        "../conf",
        "tables.md#results-as-files",
        "#any--all-code",
        "#any--all-code-1",
        "https://example.org/nothing",
        "mailto:a@example.org",
    ],
)
def test_a_link_that_holds_is_no_finding(target: str) -> None:
    text = (
        f"# Any & all `code`\n\n# Any & all `code`\n\n[x]({target})\n\n```\n[x](no-link.md)\n```\n"
    )
    assert broken(Document(ROOT / "docs/any.md", text)) == []
