"""A package that a stranger would write, in an environment of its own: its entries are found, checked and verified."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

pytestmark = [pytest.mark.installed, pytest.mark.slow]

PACKAGE = Path(__file__).parent / "outside"
BROKEN = '''

import eqprop
from hypothesis import strategies as st


@eqprop.register(name="powerless", reference="nobody")
@st.composite
def powerless(draw):
    """A claim without a mutant."""
    return difference_shift.pairs
'''


def environment(folder: Path, package: Path) -> Path:
    """The interpreter of a fresh environment with the package in it; what it depends on comes from this one's."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder)}))
    # addsitedir, because an editable install of eqprop has a .pth file of its own.
    here = sysconfig.get_path("purelib")
    (site / "dependencies.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    install = ["--python", str(python), "install", "--no-deps", "--no-build-isolation", "--no-index", str(package)]
    run(sys.executable, "-m", "pip", *install, cwd=folder)
    return python


def run(*command: str | Path, cwd: Path, code: int = 0) -> str:
    done = subprocess.run([str(c) for c in command], check=False, capture_output=True, text=True, cwd=cwd)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    return said


def copied(folder: Path) -> Path:
    """The package: building it would leave files beside its source."""
    return Path(shutil.copytree(PACKAGE, folder / "shifty", ignore=shutil.ignore_patterns("build", "*.egg-info")))


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("outside")
    return environment(folder / "environment", copied(folder))


def test_its_entries_are_listed_and_explained(python, tmp_path):
    listed = run(python, "-m", "eqprop", "list", "--match", "difference", cwd=tmp_path)
    assert "difference-shift  v ↦ v + s 1" in listed
    assert "difference-permutation  differences between neighbours depend on who the neighbours are" in listed
    explained = run(python, "-m", "eqprop", "explain", "difference-shift", cwd=tmp_path)
    assert "(shifty.symmetries:difference_shift)" in explained
    assert "order 0  forgets-last-unit" in explained


def test_its_entries_pass_what_is_asked_of_every_entry(python, tmp_path):
    said = run(python, "-m", "eqprop", "selfcheck", "difference-shift", "difference-permutation", cwd=tmp_path)
    assert "14 mutants caught at their orders" in said


def test_its_entries_are_verified_with_the_catalog(python, tmp_path):
    arguments = ["--match", "difference-", "--max-architectures", "3", "--property", "noether", "--jobs", "1"]
    said = run(python, "-m", "eqprop", "verify", *arguments, "--property", "equivariance", cwd=tmp_path)
    assert "2 pairs: 2 holds, 1 not applicable, 1 known failure" in said


def test_its_mutants_are_targets_too(python, tmp_path):
    target = ["difference-shift[forgets-last-unit]", "--property", "equivariance", "--jobs", "1"]
    said = run(python, "-m", "eqprop", "verify", *target, cwd=tmp_path, code=1)
    assert "Falsified: equivariance (order 0)" in said


def test_its_entries_are_pytest_items(python, tmp_path):
    said = run(python, "-m", "pytest", "--eqprop", "difference-shift", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert "failed" not in said
    assert " passed" in said


def test_an_entry_without_mutants_is_refused_by_name(tmp_path):
    package = copied(tmp_path)
    module = package / "src" / "shifty" / "symmetries.py"
    module.write_text(module.read_text() + BROKEN)
    said = run(environment(tmp_path / "environment", package), "-m", "eqprop", "list", cwd=tmp_path, code=2)
    assert "catalog entry 'powerless' (shifty.symmetries:powerless) has no mutants" in said
    assert "'shifty' = 'shifty.symmetries' (entry-point group eqprop.catalog) cannot be imported" in said


def test_the_decorator_alone_registers_what_a_conftest_imports(tmp_path):
    shutil.copy(PACKAGE / "src" / "shifty" / "symmetries.py", tmp_path / "mine.py")
    (tmp_path / "conftest.py").write_text("import mine  # noqa: F401\n")
    said = run(sys.executable, "-m", "pytest", "--eqprop", "difference-shift", "-q", "--co", cwd=tmp_path)
    assert "difference-shift" in said
