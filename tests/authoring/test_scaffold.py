"""``eqprop new NAME`` writes an entry and a test that pass as they are, and never overwrites."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from eqprop import catalog
from eqprop.authoring import scaffold, write
from eqprop.errors import InvalidInput
from eqprop.faces.cli import cli

pytestmark = pytest.mark.installed


def test_it_writes_a_module_and_its_test_named_after_the_entry(tmp_path):
    assert write("my-symmetry", tmp_path / "new") == (
        tmp_path / "new" / "my_symmetry.py",
        tmp_path / "new" / "test_my_symmetry.py",
    )


def test_nothing_is_left_to_fill_in(tmp_path):
    for path in write("my-symmetry", tmp_path):
        assert "${" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", ["catalog", "elsewhere"])
def test_no_line_is_longer_than_the_linter_of_the_project_allows(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(scaffold, "_is_catalog", lambda where: where.name == "catalog")
    for path in write("a-symmetry-with-a-name-of-some-length", tmp_path / folder):
        assert max(map(len, path.read_text(encoding="utf-8").splitlines())) <= 120


def test_the_command_says_what_to_try_next(tmp_path):
    said = CliRunner().invoke(cli, ["new", "my-symmetry", "--to", str(tmp_path)], standalone_mode=False)
    assert "eqprop verify my_symmetry:my_symmetry\n  pytest test_my_symmetry.py" in said.output


def test_a_file_that_exists_is_not_overwritten(tmp_path):
    (tmp_path / "test_mine.py").write_text("kept")
    with pytest.raises(InvalidInput, match=r"test_mine.py exists already; choose another name"):
        write("mine", tmp_path)
    assert not (tmp_path / "mine.py").exists()
    assert (tmp_path / "test_mine.py").read_text() == "kept"


@pytest.mark.parametrize("name", ["My Symmetry", "my_symmetry", "../up", ""])
def test_a_name_that_is_not_kebab_case_is_refused(name, tmp_path):
    with pytest.raises(InvalidInput, match="expected kebab-case"):
        write(name, tmp_path)


def test_a_name_that_python_cannot_import_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="begins with a letter"):
        write("3-body", tmp_path)


@pytest.mark.parametrize("name", ["class", "numpy", "json", "eqprop"])
def test_a_name_that_is_taken_by_python_or_a_module_is_refused(name, tmp_path):
    with pytest.raises(InvalidInput, match=rf"the name is '{name}'.*(a word of Python|it would hide)"):
        write(name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/new", "x" * 300])
def test_a_folder_that_cannot_be_written_to_is_named(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match=r"eqprop new: .* cannot be written to \(.*\); choose another folder"):
        write("mine", tmp_path / folder)


def test_inside_a_package_the_module_is_imported_by_its_whole_name(tmp_path, monkeypatch):
    package = tmp_path / "nets" / "symmetries"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    entry, test = write("my-symmetry", package)
    assert "import nets.symmetries.my_symmetry " in test.read_text(encoding="utf-8")
    assert "eqprop verify nets.symmetries.my_symmetry:my_symmetry\n" in entry.read_text(encoding="utf-8")
    assert 'my-symmetry = "nets.symmetries.my_symmetry"' in entry.read_text(encoding="utf-8")
    said = CliRunner().invoke(cli, ["new", "my-other", "--to", str(package)], standalone_mode=False).output
    assert f"cd {tmp_path}\n  eqprop verify nets.symmetries.my_other:my_other\n" in said
    assert "pytest nets/symmetries/test_my_other.py" in said
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--co", str(test.relative_to(tmp_path))]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_in_the_catalog_an_entry_is_written_alone_and_imported_by_the_name_of_the_catalog(tmp_path, monkeypatch):
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(scaffold, "CATALOG", "shelf")
    said = CliRunner().invoke(cli, ["new", "my-ring", "--to", str(tmp_path / "shelf")], standalone_mode=False).output
    assert sorted(path.name for path in (tmp_path / "shelf").glob("*.py")) == ["__init__.py", "my_ring.py"]
    assert said.endswith("try it:\n  eqprop verify shelf.my_ring:my_ring\n  eqprop selfcheck my-ring\n")
    assert "    eqprop selfcheck my-ring\n" in (tmp_path / "shelf" / "my_ring.py").read_text(encoding="utf-8")


def test_the_catalog_is_known_by_its_folder(tmp_path):
    (shelf,) = catalog.__path__
    assert scaffold.address(Path(shelf) / "my_ring.py") == (Path.cwd(), "eqprop.catalog.my_ring")
    assert scaffold.address(tmp_path / "my_ring.py") == (tmp_path, "my_ring")


@pytest.mark.slow
def test_what_it_writes_passes_as_it_is(tmp_path: Path):
    write("my-symmetry", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_symmetry.py"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed in " in done.stdout
    assert "skipped" not in done.stdout
