"""How Sphinx builds the site: `make docs`.

The pages are the repository's own Markdown files, where they lie, so that a link works the same in
the repository and in the site. Therefore the source folder is the repository's root, and this file
is the only one that knows the site.
"""

from __future__ import annotations

import inspect
import re
import shutil
import sys
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the API is read from this tree, whatever is installed

import steeldefect  # noqa: E402

project = "steeldefect"
author = "the steeldefect contributors"
version = release = steeldefect.__version__

# The menu: each page of the site once. A page that is missing here fails the build.
MENU = {
    "Use it": [
        "docs/page",
        "docs/operations",
        "docs/tables",
        "docs/labels",
        "docs/models",
        "docs/api",
        "docs/glossary",
    ],
    "Rely on it": ["docs/promises", "SECURITY", "docs/scale"],
    "Measurements": [
        "benchmarks/RESULTS",
        "benchmarks/BOUNDS",
        "benchmarks/RESULTS-upkeep",
        "benchmarks/RESULTS-watch",
    ],
    "Change it": ["CONTRIBUTING", "docs/architecture", "CHANGELOG"],
}

LONG_NAME = 24  # characters

root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "benchmarks/*.md"]
exclude_patterns = [".*", "build", "demo", "dist", "tests", "steeldefect", "training"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 4  # the anchors that repository hosts give to headings
autodoc_typehints = "signature"
autodoc_member_order = "bysource"  # of the package itself: the order of its __all__
autodoc_preserve_defaults = True  # a default is shown as it is written
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
default_role = "code"  # `name` in a docstring

html_theme = "furo"
html_title = f"steeldefect {release}"
html_static_path = ["static"]
html_extra_path = ["../build/demo-page"]  # `make docs` copies the demonstration's page there
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False


def add_menu(app: Sphinx, name: str, text: list[str]) -> None:
    """Append the menu to the home page; the README itself holds no directive of Sphinx."""
    if name == root_doc:
        text[0] += "".join(_toctree(caption, pages) for caption, pages in MENU.items())


def link_demo_page(app: Sphinx, name: str, text: list[str]) -> None:
    """Link to the demonstration's page, which only the site has."""
    if name == "docs/page":
        text[0] += '\n<a href="../demo-page/index.html">Open the page of the demonstration</a>\n'


def _toctree(caption: str, pages: list[str]) -> str:
    listed = "\n".join(f"/{page}" for page in pages)
    return f"\n\n```{{toctree}}\n:caption: {caption}\n:hidden:\n\n{listed}\n```\n"


def list_public_names(app: Sphinx, name: str, text: list[str]) -> None:
    """Append a description of each name in `steeldefect.__all__` to the page of the API."""
    if name == "docs/api":
        described = "\n".join(map(_directive, getattr(steeldefect, "__all__", ())))
        text[0] += f"\n```{{eval-rst}}\n{described}\n```\n"


def _directive(public: str) -> str:
    """Return the directive for one name; the name is looked up, so lazy imports work as well."""
    found = getattr(steeldefect, public)
    if inspect.isclass(found):
        return f".. autoclass:: steeldefect.{public}\n   :members:\n"
    return f".. auto{'function' if callable(found) else 'data'}:: steeldefect.{public}\n"


def unlink_folders(app: Sphinx, page: nodes.document) -> None:
    """Show the name alone where a page links to a folder: a folder is no page of the site."""
    beside = (ROOT / app.env.doc2path(app.env.docname, base=False)).parent
    for link in list(page.findall(pending_xref)):
        if link.get("reftype") == "myst" and (beside / link["reftarget"]).is_dir():
            link.replace_self(link.children)


def let_long_names_break(app: Sphinx, page: nodes.document, name: str) -> None:
    """Allow line breaks within paths and names of tests, where they stand in a table's cell."""
    for cell in page.findall(nodes.entry):
        for code in cell.findall(nodes.literal):
            if len(code.astext()) > LONG_NAME:
                pieces = re.split(r"(?<=[/_:])(?=[^/_:])", code.astext())
                code.clear()
                for piece in pieces:
                    code += [nodes.Text(piece), nodes.raw("", "<wbr>", format="html")]


def copy_home(app: Sphinx, error: Exception | None) -> None:
    """Copy the home page to the name that browsers and servers look for."""
    if error is None and app.builder.name == "html":
        home = Path(app.outdir)
        shutil.copyfile(home / f"{root_doc}.html", home / "index.html")


def setup(app: Sphinx) -> None:
    """Register the functions above."""
    app.connect("source-read", add_menu)
    app.connect("source-read", link_demo_page)
    app.connect("source-read", list_public_names)
    app.connect("doctree-read", unlink_folders)
    app.connect("doctree-resolved", let_long_names_break)
    app.connect("build-finished", copy_home)
