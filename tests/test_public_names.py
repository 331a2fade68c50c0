"""What users import and type keeps its name: ``public_names.toml`` has names, their arguments, options and settings.

A test that fails here has met a change that users feel. If it is meant, say so in CHANGELOG.md and in the list. New
entries, properties and files of shelves need not be listed: each of them is one new file.
"""

from __future__ import annotations

import ast
import inspect
import pkgutil
import tomllib
from collections.abc import Iterator
from enum import EnumMeta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import click
import pytest

import eqprop
from eqprop import catalog, strategies
from eqprop.faces.cli import cli
from eqprop.faces.project import KEYS
from eqprop.properties import LIBRARY
from eqprop.registry import entries

pytestmark = pytest.mark.installed

LISTED = tomllib.loads(Path(__file__).with_name("public_names.toml").read_text())


def names_of(module: ModuleType) -> Iterator[str]:
    """What a module defines and what it imports as itself, which is what a door offers."""
    for node in ast.parse(inspect.getsource(module)).body:
        match node:
            case ast.ImportFrom():
                yield from (alias.name for alias in node.names if alias.asname == alias.name)
            case ast.FunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case _:
                pass


def arguments(value: Any) -> str:
    """How a name is used: arguments of a function or class, members of an enumeration, nothing of a constant."""
    if isinstance(value, EnumMeta):
        return ", ".join(value.__members__)
    if not (inspect.isfunction(value) or (inspect.isclass(value) and not issubclass(value, Exception))):
        return ""
    marks = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return ", ".join(marks.get(p.kind, "") + name for name, p in inspect.signature(value).parameters.items())


def offered(module: ModuleType) -> dict[str, str]:
    """Public name → how it is used, of what a module offers."""
    names = getattr(module, "__all__", None) or [name for name in names_of(module) if name[0] != "_"]
    found = {name: getattr(module, name) for name in names}
    return {name: arguments(value) for name, value in found.items() if not isinstance(value, TypeVar)}


def options(command: click.Command) -> list[str]:
    """The options of a command, with their short and negative forms, and its arguments in capitals."""
    return sorted(
        "/".join([*param.opts, *param.secondary_opts]) if isinstance(param, click.Option) else str(param.name).upper()
        for param in command.params
    )


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """All commands with their names, ``ledger update`` among them."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} ")
        else:
            yield f"{before}{name}", command


@pytest.mark.parametrize("name", LISTED["names"])
def test_the_names_of_a_module_and_their_arguments_are_those_that_are_listed(name):
    assert offered(import_module(name)) == LISTED["names"][name]


@pytest.mark.parametrize("shelf", [strategies, catalog], ids=lambda module: module.__name__)
def test_the_files_of_a_shelf_that_are_listed_are_there(shelf):
    assert {info.name for info in pkgutil.iter_modules(shelf.__path__)} >= set(LISTED["files"][shelf.__name__])


def test_the_entries_and_properties_that_are_listed_are_there():
    assert entries().keys() >= set(LISTED["catalog"])
    assert {prop.name for prop in LIBRARY} >= set(LISTED["properties"])


def test_the_commands_and_their_options_are_those_that_are_listed():
    assert {name: options(command) for name, command in commands(cli)} == LISTED["commands"]


def test_the_options_of_pytest_and_the_keys_of_its_settings_are_those_that_are_listed(pytestconfig):
    given = [option for group in pytestconfig._parser._groups for option in group.options if group.name == "eqprop"]
    assert sorted(name for option in given for name in option.names()) == LISTED["pytest"]["options"]
    assert sorted(KEYS) == LISTED["pytest"]["tool.eqprop"]


def test_the_door_shows_public_names_only():
    assert dir(eqprop) == sorted(eqprop.__all__)


def test_arguments_are_told_apart_by_name_and_kind():
    assert arguments(lambda pairs, *, profil: None) == "pairs, profil"
    assert arguments(lambda *pairs, **options: None) == "*pairs, **options"
    assert arguments(eqprop.Outcome).startswith("HOLDS, ")
    assert arguments(eqprop.Falsified) == arguments(3) == ""
