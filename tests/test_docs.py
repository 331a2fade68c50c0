"""What the documents point to is there: links between files, modules by name, and a README in every room."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from eqprop.faces.cli import cli
from eqprop.faces.project import Project

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "catalog", "docs", "eqprop", "examples", "findings", "strategies", "tests")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts)
PAGES = [*ROOT.glob("*.md"), *(path for path in FILES if path.suffix == ".md")]
OF_NOW = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""Pages that speak of how things are; the changelog speaks of how they were."""

ROOMS = sorted(path.parent for path in (ROOT / "eqprop").glob("*/**/__init__.py"))
"""Those inside of another one, too."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def names(paths: list[Path]) -> list[str]:
    """A list and no function: outside of the checkout there are no rooms, and pytest 8 asks for the id of nothing."""
    return [name(path) for path in paths]


def broken_links(page: Path, text: str) -> list[str]:
    """Links of a page to files that are not there."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    return [target for target in targets if "://" not in target and not (page.parent / target).exists()]


def unknown_files(text: str) -> list[str]:
    """Python files that a text names in backticks, with or without folders, and nobody has, nor does the text show."""
    known = [f"/{file}" for file in (*map(name, FILES), *re.findall(r'title="([^"]+)"', text))]
    named = re.findall(r"`([\w./-]+\.py)`", text)
    return [file for file in named if not any(path.endswith(f"/{file}") for path in known)]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_lead_to_files(page):
    assert broken_links(page, page.read_text()) == []


@pytest.mark.parametrize("page", OF_NOW, ids=names(OF_NOW))
def test_the_files_that_a_page_names_are_there(page):
    assert unknown_files(page.read_text()) == []


def test_what_is_not_there_is_seen():
    assert broken_links(ROOT / "README.md", "[a](docs/README.md) [b](docs/nothing.md) [c](https://x)") == [
        "docs/nothing.md"
    ]
    assert unknown_files("`rounding/floors.py`, `floors.py`, `store.py`") == ["store.py"]
    assert unknown_files('`mine.py`, `yours.py`\n```python title="mine.py"\n```') == ["yours.py"]


@pytest.mark.parametrize("room", ROOMS, ids=names(ROOMS))
def test_every_room_says_why_it_is_there_and_which_file_to_read_first(room):
    text = (room / "README.md").read_text()
    assert text.startswith(f"# {room.name}\n")
    assert re.search(r"^Read \[`\w+\.py`\]\(", text, re.MULTILINE), text
    above = (room.parent / "README.md").read_text()
    assert f"({room.name})" in above or f"`{room.name}/`" in above


@pytest.mark.parametrize(
    ("page", "target"), [("docs/gate.md", "mypkg.nets:pairs"), ("docs/tutorials/gate.md", "symmetries:pairs")]
)
def test_a_gate_takes_at_most_five_lines_of_configuration(page, target, tmp_path):
    block = re.search(r"```toml[^\n]*\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert block is not None
    (tmp_path / "pyproject.toml").write_text(block[1])
    project = Project.of(tmp_path)
    assert len(block[1].splitlines()) <= 5
    assert (project.targets, project.ledger_file.name) == ((target,), "eqprop-ledger.json")


RECIPES = ("action.yml", ".pre-commit-hooks.yaml", "docs/gate.md")


@pytest.mark.parametrize("file", RECIPES)
def test_a_recipe_uses_commands_and_options_that_there_are(file):
    text = (ROOT / file).read_text()
    for line in re.findall(r"eqprop (verify|merge|ledger|baseline|replay)\b([^\n]*(?:\n +--[^\n]*)*)", text):
        command: Any = cli.commands[line[0]]
        parts = [command, *getattr(command, "commands", {}).values()]
        known = {option for part in parts for param in part.params for option in param.opts}
        assert set(re.findall(r"(?<![\w-])--[a-z-]+", line[1])) <= known | {"--eqprop-report", "--eqprop-property"}, (
            line
        )


def test_a_recipe_is_about_eqprop():
    assert all("eqprop verify --ledger" in (ROOT / file).read_text() for file in RECIPES)
