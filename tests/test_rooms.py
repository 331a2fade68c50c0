"""The rooms of the framework: imports run down its floors and through its doors, and what does not is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[1]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


@pytest.fixture
def house(tmp_path) -> Path:
    """The sources as the wheel has them, with their contracts beside them."""
    shutil.copytree(ROOT / "eqprop", tmp_path / "eqprop")
    for shelf in ("strategies", "catalog"):
        shutil.copytree(ROOT / shelf, tmp_path / "eqprop" / shelf)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(house: Path) -> tuple[int, str]:
    """What ``lint-imports`` exits with and says, on one line, of the sources in a folder."""
    command = [sys.executable, "-c", LINT, "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=house, check=False, capture_output=True, text=True)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def plant(house: Path, module: str, line: str) -> int:
    """Add a line to a module; its number."""
    path = house.joinpath(*module.split(".")).with_suffix(".py")
    text = f"{path.read_text()}\n\n{line}\n"
    path.write_text(text)
    return 1 + text.splitlines().index(line.splitlines()[-1])


def test_every_import_runs_down_and_through_a_door(house):
    status, said = lint(house)
    assert (status, "0 broken." in said) == (0, True), said


@pytest.mark.parametrize(
    ("module", "line", "named"),
    [
        pytest.param(
            "eqprop.results.verdict",
            "import eqprop.faces.api",
            "eqprop.results is not allowed to import eqprop.faces: - eqprop.results.verdict -> eqprop.faces.api (l.{})",
            id="an arrow back up",
        ),
        pytest.param(
            "eqprop.claims.pair",
            "def later():\n    from eqprop.runs import make_options",
            "eqprop.claims is not allowed to import eqprop.runs: - eqprop.claims.pair -> eqprop.runs (l.{})",
            id="an arrow back up that is lazy",
        ),
        pytest.param(
            "eqprop.rounding.floors",
            "if TYPE_CHECKING:\n    from eqprop.probes import Probe",
            "eqprop.rounding is not allowed to import eqprop.probes: - eqprop.rounding.floors -> eqprop.probes (l.{})",
            id="an arrow back up for type checkers",
        ),
        pytest.param(
            "eqprop.properties.spectrum",
            "from eqprop.engine.trees import leaf_paths",
            "eqprop.engine.* expression): - eqprop.properties.spectrum -> eqprop.engine.trees (l.{})",
            id="a reach past a door",
        ),
        pytest.param(
            "eqprop.search.tally",
            "from eqprop.properties.numerics.krylov import lanczos",
            "eqprop.search.tally -> eqprop.properties.numerics.krylov (l.{})",
            id="a reach past the door of an inner room",
        ),
        pytest.param(
            "eqprop.catalog.linear",
            "import eqprop.faces.cli",
            "eqprop.catalog is not allowed to import eqprop.faces: - eqprop.catalog.linear -> eqprop.faces.cli (l.{})",
            id="an arrow back up from a shelf",
        ),
    ],
)
def test_an_import_that_breaks_the_directions_is_named_with_its_line(module, line, named, house):
    number = plant(house, module, line)
    status, said = lint(house)
    assert status == 1, said
    assert named.format(number) in said


def test_an_entry_may_be_written_as_a_stranger_writes_it(house):
    plant(house, "eqprop.catalog.linear", "import eqprop")
    status, said = lint(house)
    assert status == 0, said


def test_a_circle_inside_of_a_room_is_named_with_an_arrow_that_opens_it(house):
    plant(house, "eqprop.rounding.floors", "from eqprop.rounding.in_program import measure")
    status, said = lint(house)
    assert status == 1, said
    assert "No cycles are allowed in eqprop.rounding." in said
    assert any(arrow in said for arrow in ("- .floors -> .in_program", "- .in_program -> .floors")), said


def test_a_file_on_no_floor_of_the_house_is_named(house):
    (house / "eqprop" / "helpers.py").write_text("")
    status, said = lint(house)
    assert status == 1, said
    assert "eqprop.helpers" in said
