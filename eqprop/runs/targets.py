"""Targets: what users name, turned into tasks of searches.

==================  ============================================================================================
target              means
==================  ============================================================================================
``catalog``         every entry of the registry (also the default)
``NAME``            one entry; ``catalog:NAME`` likewise
``NAME[MUTANT]``    one of its mutants, a pair broken on purpose; ``catalog:NAME[MUTANT]`` likewise
``pkg.mod:attr``    a Pair, a strategy of pairs, an iterable of them, a mapping from names to them, or a function
                    without arguments that returns any of these
==================  ============================================================================================
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from eqprop.arguments import got, short, suggestion
from eqprop.claims import Model, Pair, Transformation
from eqprop.engine import behind, garbage_rare, persistent_cache
from eqprop.errors import InvalidInput
from eqprop.registry import Entry, entries
from eqprop.runs.gone import Empty, Gone, raised
from eqprop.search import SearchTask

CATALOG = "catalog"
EXPECTED = (
    "expected an eqprop.Pair, a hypothesis strategy of pairs, an iterable or a mapping of them, or a function without "
    "arguments that returns any of these"
)


MODEL = "expected an eqprop.Model, or a function without arguments that returns one"
OWN_ENTRY = "One that a module of yours registers is found as package.module:attribute, its function."
JOIN = "Join a model and a transformation of it: eqprop.Pair(model, transformation)."


def resolve(target: str | None = None) -> list[SearchTask]:
    """The tasks that a target names. The current folder is importable, as it is for pytest and uvicorn.

    Raises:
        InvalidInput: where the target cannot be imported or found, has the wrong type, is empty, or names two alike.
    """
    if target is None or target == CATALOG:
        return as_tasks(entries().values(), where="the catalog")
    if not isinstance(target, str):
        msg = f"target is {got(target)}; expected the name of a catalog entry, or 'package.module:attribute'."
        raise InvalidInput(msg)
    module, colon, attribute = target.partition(":")
    if not colon or (module == CATALOG and attribute):
        return [_entry(attribute or module, target)]
    with persistent_cache(importing=True):  # weights are drawn, and networks trained, by programs that are compiled
        value = attribute_of(target, f"target {target!r}")
        # The catalog's own entries keep their address; one that this module registers is known to nobody else.
        return [s if s.built_in else replace(s, address=target) for s in as_tasks(value, where=target)]


def resolve_all(targets: Iterable[str], on_gone: Callable[[str, Gone], None] = raised) -> list[SearchTask]:
    """The tasks of several targets (of the catalog, where there is none).

    Args:
        targets: what users name.
        on_gone: is told of each that is gone, and raises where that is a mistake.

    Raises:
        InvalidInput: as ``resolve``, and where two targets name a task alike.
    """
    found: list[SearchTask] = []
    for target in list(targets) or [CATALOG]:
        try:
            found += resolve(target)
        except Gone as error:
            on_gone(target, error)
    return _distinct(found, "the targets")


class NamedModel(NamedTuple):
    """A model that an address names, and whether it is what a function returned."""

    model: Model
    called: bool


def model_of(target: str) -> NamedModel:
    """The model that ``"package.module:attribute"`` names: a Model, or a function without arguments that returns one.

    Raises:
        InvalidInput: where the target cannot be imported or found, or is something else.
    """
    what = f"target {target!r}"
    value = attribute_of(target, what)
    called = not isinstance(value, Model | type) and callable(value)
    function: Any = value
    model: Any = _called(function, what, MODEL) if called else value
    if not isinstance(model, Model):
        msg = f"{what} is {got(model)}; {MODEL}."
        raise InvalidInput(msg)
    return NamedModel(model, called)


def as_tasks(value: Any, *, where: str = "pairs") -> list[SearchTask]:
    """Subjects of Python objects: pairs, strategies, entries, iterables or mappings or functions of them.

    Args:
        value: the object.
        where: names its source in errors, and names a strategy that stands alone (the part behind the last colon).

    Raises:
        InvalidInput: for anything else, for nothing at all, and for two tasks of one name.
    """
    found = _distinct(_tasks(value, where, default=where.rpartition(":")[2]), where)
    if not found:
        msg = f"{where} is empty: there is nothing to verify; {EXPECTED}."
        raise Empty(msg)
    return found


def _tasks(value: object, where: str, default: str) -> list[SearchTask]:
    if isinstance(value, (Pair, Entry, SearchStrategy, SearchTask)):
        return [_task(value, default)]
    if callable(value) and not isinstance(value, type):
        made = _called(value, where)
        if callable(made):
            msg = f"{where}: the function returned {got(made)}, another function; {EXPECTED}."
            raise InvalidInput(msg)
        return _tasks(made, where, default)
    if isinstance(value, Mapping):
        return [_task(v, str(k), renamed=True) for k, v in _checked_items(value.items(), where)]
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [_task(v, f"{default}-{k}") for k, v in _checked_items(enumerate(value), where)]
    msg = f"{where} is {got(value)}; {EXPECTED}.{_remedy(value)}"
    raise InvalidInput(msg)


def _remedy(value: object) -> str:
    """What probably was meant."""
    if isinstance(value, (Model, Transformation)):
        return f" {JOIN}"
    if isinstance(value, str):
        return f" eqprop.load({short(value)}) is the pair that a target names, eqprop.entry(…) an entry of the catalog."
    return ""


def _checked_items(items: Iterable[tuple[Any, Any]], where: str) -> list[tuple[Any, Any]]:
    listed = list(items)
    for key, value in listed:
        if not isinstance(value, (Pair, Entry, SearchStrategy, SearchTask)):
            remedy = _remedy(value)
            msg = f"{where}: item {key!r} is {got(value)}; expected an eqprop.Pair or a strategy of them.{remedy}"
            raise InvalidInput(msg)
    return listed


def _task(
    value: Pair | Entry | SearchStrategy[Pair] | SearchTask, default: str, *, renamed: bool = False
) -> SearchTask:
    """One task; ``default`` names a strategy, and anything where ``renamed``."""
    if isinstance(value, Pair):
        pair = value.replaced(name=default) if renamed else value
        return SearchTask(pair.name, st.just(pair), known_failures=pair.known_failures)
    if isinstance(value, Entry):
        return SearchTask(
            value.name,
            value.pairs,
            address=f"{CATALOG}:{value.name}",
            control=value.control,
            built_in=value.origin.startswith("eqprop.catalog."),
        )
    if isinstance(value, SearchTask):
        return value
    return SearchTask(default if renamed else _strategy_name(value, default), value)


def _strategy_name(strategy: SearchStrategy[Pair], default: str) -> str:
    """The name of the ``@st.composite`` function that returned it, never a repr; else the default."""
    function: Any = getattr(strategy, "function", None)
    if not inspect.isfunction(function) or function.__module__.startswith("hypothesis"):
        return default
    return function.__name__.replace("_", "-") if function.__name__.isidentifier() else default


def _distinct(tasks: list[SearchTask], where: str) -> list[SearchTask]:
    names = [task.name for task in tasks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = (
            f"{where}: several subjects are called {', '.join(map(repr, twice))}; a verdict would not say which one "
            "it is about. Give the pairs a name=, or pass a mapping from names to them."
        )
        raise InvalidInput(msg)
    return tasks


def _entry(name: str, target: str) -> SearchTask:
    known = entries()
    if name in known:
        return as_tasks(known[name])[0]
    mutant = re.fullmatch(r"(?P<entry>[^\[]+)\[(?P<mutant>[^\]]+)\]", name)
    if mutant and mutant["entry"] in known:
        entry = known[mutant["entry"]]
        return SearchTask(name, entry.mutant(mutant["mutant"]).of(entry.pairs), address=f"{CATALOG}:{name}")
    hint = suggestion(name, known, otherwise="`eqprop list` shows the entries.")
    msg = (
        f"target {target!r} is no entry of the catalog, and without a colon it is no 'package.module:attribute'. {hint}"
    )
    if target.startswith(f"{CATALOG}:"):
        msg = f"target {target!r}: the catalog has no entry {name!r}. {hint} {OWN_ENTRY}"
    elif dotted := _module_of_file(name):
        msg = f"target {target!r} names a module; say what in it is to be verified, as in {dotted}:pairs."
    raise InvalidInput(msg)


def _module_of_file(name: str) -> str:
    """The dotted name of a file or a module of the current folder; empty where there is none."""
    path = Path(name if name.endswith(".py") else f"{name.replace('.', os.sep)}.py")
    try:
        return ".".join(path.with_suffix("").parts) if path.is_file() else ""
    except (OSError, ValueError):  # no file system has such a name
        return ""


def _imported(module: str, what: str, attribute: str) -> Any:
    if module.endswith(".py") or "/" in module or os.sep in module:
        dotted = ".".join(Path(module).with_suffix("").parts)
        msg = f"{what} names a file; expected a module: {dotted}:{attribute}"
        raise InvalidInput(msg)
    if not all(part.isidentifier() for part in module.split(".")):
        msg = f"{what}: {module!r} is no name of a module; expected 'package.module:attribute'."
        raise InvalidInput(msg)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        with garbage_rare():
            return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            msg = f"{what}: no module named {error.name!r} (searched: {Path.cwd()} and installed packages)."
            raise Gone(msg) from error
        msg = f"{what}: {module!r} imports a module that is not installed: {_last_line(error)}"
        raise InvalidInput(msg) from error
    except (Exception, SystemExit) as error:
        msg = f"{what}: {module!r} raised while it was imported: {_last_line(error)}"
        raise InvalidInput(msg) from error


def attribute_of(target: str, what: str) -> Any:
    """What ``"package.module:attribute"`` names, as it is.

    Args:
        target: the address.
        what: the thing in messages, as in ``"optimizer 'nets:adam'"``.

    Raises:
        InvalidInput: where the target cannot be imported or found.
    """
    module, _, attribute = target.partition(":")
    if not attribute or not module:
        msg = (
            f"{what} names nothing {'before' if attribute else 'behind'} a colon; expected 'package.module:attribute'."
        )
        raise InvalidInput(msg)
    return _attribute(_imported(module, what, attribute), attribute, what)


def _attribute(module: Any, path: str, what: str) -> Any:
    value = module
    for name in path.split("."):
        if not hasattr(value, name):
            hint = suggestion(name, (n for n in dir(value) if not n.startswith("_")))
            owner = getattr(value, "__name__", type(value).__name__)
            msg = f"{what}: {owner!r} has no attribute {name!r}. {hint}".strip()
            raise Gone(msg)
        value = getattr(value, name)
    return value


def _called(function: Callable[..., Any], where: str, expected: str = EXPECTED) -> Any:
    name = getattr(function, "__qualname__", repr(function)).removeprefix("accept.<locals>.")
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        msg = f"{where}: {name} needs arguments ({error}); {expected}."
        raise InvalidInput(msg) from error
    try:
        value = function()
        return list(value) if inspect.isgenerator(value) else value
    except (Exception, SystemExit) as error:
        msg = f"{where}: {name}() raised {_last_line(error)}"
        raise InvalidInput(msg) from error


def _last_line(error: BaseException) -> str:
    """``ValueError: text (file.py:12)``: the last line of the traceback, and the user's line that led to it."""
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    return f"{text}{behind(error)}"
