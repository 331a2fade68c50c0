"""The documentation as a site has every page, and what pages point to outside of docs/. `.ci/run wheel` builds it."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ALL = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
FAMILIES = {page for page in ALL if page.startswith("catalog/")}
"""What the catalog's contents name: a page for each of its files, so that a new file is no change of the navigation."""

PAGES = ALL - FAMILIES
THEMES = {page for page in ALL if page.startswith("decisions/")}
"""What the contents of the decisions name: a page for each theme."""


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = spec_from_file_location("site_hooks", ROOT / ".ci" / "site.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_navigation_names_every_page_once():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    assert sorted(re.findall(r"[\w/-]+\.md", navigation)) == sorted(PAGES)


def test_the_first_page_names_every_other():
    first = (DOCS / "README.md").read_text(encoding="utf-8")
    assert PAGES - THEMES - set(re.findall(r"\]\(([\w/-]+\.md)\)", first)) == {"README.md"}


def test_the_contents_of_the_decisions_name_the_page_of_every_theme():
    contents = (DOCS / "decisions.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^- \[[^\]]+\]\(([\w/]+\.md)\):", contents, re.MULTILINE)) == THEMES


def test_the_contents_of_the_catalog_name_the_page_of_every_family():
    contents = (DOCS / "catalog.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^- \[[^\]]+\]\(([\w/]+\.md)\):", contents, re.MULTILINE)) == FAMILIES


def moved(hooks: ModuleType, page: str, markdown: str) -> str:
    """A page's text as the site has it."""
    source = ROOT / page
    file = SimpleNamespace(src_uri=hooks.place(source, DOCS), abs_src_path=str(source))
    return hooks.on_page_markdown(
        markdown, page=SimpleNamespace(file=file, meta={}), config=SimpleNamespace(docs_dir=str(DOCS))
    )


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("docs/gate.md", "codes.md#eq101", "codes.md#eq101"),
        ("docs/tutorials/model.md", "../../README.md#two", "../repository/README.md#two"),
        ("docs/versions.md", "../.ci/oldest.txt", "repository/ci/oldest.txt.txt"),
        ("docs/README.md", "../findings", "repository/findings/README.md"),
        ("eqprop/README.md", "../docs/glossary.md", "../../glossary.md"),
        ("eqprop/README.md", "results", "results/README.md"),
        ("docs/gate.md", "nothing.md", "nothing.md"),
        ("docs/gate.md", "https://example.org/a.md", "https://example.org/a.md"),
    ],
)
def test_a_link_opens_on_the_site_what_it_opens_in_the_repository(hooks, page, link, there):
    assert moved(hooks, page, f"See [it]({link}).") == f"See [it]({there})."


def test_what_is_pointed_to_is_followed_and_comes_with_the_site(hooks):
    found = hooks.reached([DOCS / "README.md"], DOCS)
    assert {ROOT / "findings" / "README.md", ROOT / "findings" / "quotients-by-one-number.sh"} <= set(found)
    assert not any(path.is_relative_to(DOCS) for path in found)
