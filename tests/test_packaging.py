"""What is installed: the name eqprop and nothing else, every module of the checkout, and no JAX before it is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.installed

ROOT = Path(__file__).parents[1]
FOLDERS = {"eqprop": "eqprop", "strategies": "eqprop/strategies", "catalog": "eqprop/catalog"}
"""Folders of the checkout, and where a wheel has them."""


def python_says(expression: str, *, cwd: Path) -> str:
    """The value of an expression in a fresh interpreter that sees only what is installed."""
    command = [sys.executable, "-I", "-c", f"import importlib.util, sys; print({expression})"]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> ZipFile:
    """The wheel, built from a copy of the sources: what lies about in build/ must not get into it."""
    source = tmp_path_factory.mktemp("source")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    built = subprocess.run(command, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return ZipFile(next(out.glob("eqprop-*.whl")))


@pytest.mark.checkout
def test_the_wheel_installs_no_other_name_than_eqprop(wheel):
    names = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"eqprop"}


@pytest.mark.checkout
@pytest.mark.parametrize(("folder", "installed"), FOLDERS.items(), ids=FOLDERS)
def test_the_wheel_holds_every_module_of(folder, installed, wheel):
    modules = {f"{installed}/{path.relative_to(ROOT / folder).as_posix()}" for path in (ROOT / folder).rglob("*.py")}
    assert modules
    assert modules <= set(wheel.namelist())


@pytest.mark.checkout
def test_the_wheel_says_that_it_is_typed(wheel):
    assert "eqprop/py.typed" in wheel.namelist()


@pytest.mark.checkout
def test_the_wheel_carries_its_licence(wheel):
    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())


@pytest.mark.checkout
def test_the_changelog_tells_of_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_eqprop_says_the_version_that_the_project_declares(tmp_path):
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert metadata.version("eqprop") == declared
    assert python_says("__import__('eqprop').__version__", cwd=tmp_path) == declared


@pytest.mark.parametrize("folder", ["strategies", "catalog"])
def test_the_folder_is_importable_as_a_part_of_eqprop_only(folder, tmp_path):
    found = f"[importlib.util.find_spec(name) is not None for name in ('eqprop.{folder}', '{folder}')]"
    assert python_says(found, cwd=tmp_path) == "[True, False]"


@pytest.mark.parametrize("name", ["jax", "hypothesis", "eqprop.catalog"])
def test_importing_eqprop_does_not_import(name, tmp_path):
    assert python_says(f"(__import__('eqprop'), {name!r} in sys.modules)[1]", cwd=tmp_path) == "False"


@pytest.mark.parametrize(
    ("group", "value"), [("console_scripts", "eqprop.faces.cli:main"), ("pytest11", "eqprop.faces.pytest_plugin")]
)
def test_the_installed_package_declares_its_faces(group, value):
    declared = metadata.distribution("eqprop").entry_points.select(group=group)
    assert [(point.name, point.value) for point in declared] == [("eqprop", value)]


MOST_BYTES = 300_000


def tracked() -> list[Path]:
    """The files that git tracks; all files of a copy of the checkout, which holds what git would commit."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
        return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]
    made = {".venv", ".pytest_cache", ".hypothesis", ".eqprop", "__pycache__", "build", "eqprop.egg-info"}
    return [path for path in ROOT.rglob("*") if path.is_file() and made.isdisjoint(path.relative_to(ROOT).parts)]


def is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


@pytest.mark.checkout
def test_every_tracked_file_is_text_of_moderate_size():
    files = tracked()
    assert ROOT / "pyproject.toml" in files
    assert [str(path) for path in files if not is_text(path.read_bytes())] == []
    assert [str(path) for path in files if path.stat().st_size > MOST_BYTES] == []


@pytest.mark.parametrize(("content", "text"), [(b"PK\3\4\0", False), (b"\xff\xfe", False), ("θ".encode(), True)])
def test_binary_files_are_told_from_text(content, text):
    assert is_text(content) == text


SCRIPTS = sorted((ROOT / "findings").glob("*.sh"))


@pytest.mark.checkout
@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_a_finding_stands_for_itself(script):
    text = script.read_text()
    assert os.access(script, os.X_OK)
    assert "eqprop" not in text
    assert f"[{script.name}]({script.name})" in (ROOT / "findings" / "README.md").read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "trap 'rm -rf" in text
