"""Targets: what users name, turned into subjects of searches.

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

import difflib
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from eqprop.errors import InvalidInput
from eqprop.pair import Pair
from eqprop.registry import Entry, entries
from eqprop.subject import Subject

CATALOG = "catalog"
EXPECTED = (
    "expected an eqprop.Pair, a hypothesis strategy of pairs, an iterable or a mapping of them, or a function without "
    "arguments that returns any of these"
)


def resolve(target: str | None = None) -> list[Subject]:
    """The subjects that a target names. The current folder is importable, as it is for pytest and uvicorn.

    Raises:
        InvalidInput: where the target cannot be imported or found, has the wrong type, is empty, or names two alike.
    """
    if target is None or target == CATALOG:
        return as_subjects(entries().values(), where="the catalog")
    module, colon, attribute = target.partition(":")
    if not colon or module == CATALOG:
        return [_entry(attribute or module, target)]
    if not attribute:
        msg = f"target {target!r} names nothing after the colon; expected 'package.module:attribute'."
        raise InvalidInput(msg)
    value = _attribute(_imported(module, target), attribute, target)
    # Catalog entries keep their own address, by which a replay finds them.
    return [s if s.target else replace(s, target=target) for s in as_subjects(value, where=target)]


def resolve_all(targets: Iterable[str]) -> list[Subject]:
    """The subjects of several targets (of the catalog, where there is none).

    Raises:
        InvalidInput: as ``resolve``, and where two targets name a subject alike.
    """
    return _distinct([subject for target in (list(targets) or [CATALOG]) for subject in resolve(target)], "the targets")


def as_subjects(value: Any, *, where: str = "the arguments") -> list[Subject]:
    """Subjects of Python objects: pairs, strategies, entries, iterables or mappings or functions of them.

    Args:
        value: the object.
        where: names its source in errors, and names a strategy that stands alone (the part behind the last colon).

    Raises:
        InvalidInput: for anything else, for nothing at all, and for two subjects of one name.
    """
    found = _distinct(_subjects(value, where, default=where.rpartition(":")[2]), where)
    if not found:
        msg = f"{where} is empty: there is nothing to verify; {EXPECTED}."
        raise InvalidInput(msg)
    return found


def _subjects(value: Any, where: str, default: str) -> list[Subject]:
    if isinstance(value, (Pair, Entry, SearchStrategy, Subject)):
        return [_subject(value, default)]
    if callable(value) and not isinstance(value, type):
        return _subjects(_called(value, where), where, default)
    if isinstance(value, Mapping):
        return [_subject(v, str(k), renamed=True) for k, v in _checked_items(value.items(), where)]
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [_subject(v, f"{default}-{k}") for k, v in _checked_items(enumerate(value), where)]
    msg = f"{where} is {value!r} ({type(value).__name__}); {EXPECTED}."
    raise InvalidInput(msg)


def _checked_items(items: Iterable[tuple[Any, Any]], where: str) -> list[tuple[Any, Any]]:
    listed = list(items)
    for key, value in listed:
        if not isinstance(value, (Pair, Entry, SearchStrategy, Subject)):
            got = f"{value!r} ({type(value).__name__})"
            msg = f"{where}: item {key!r} is {got}; expected an eqprop.Pair or a strategy of them."
            raise InvalidInput(msg)
    return listed


def _subject(value: Pair | Entry | SearchStrategy[Pair] | Subject, default: str, *, renamed: bool = False) -> Subject:
    """One subject; ``default`` names a strategy, and anything where ``renamed``."""
    if isinstance(value, Pair):
        pair = value.replaced(name=default) if renamed else value
        return Subject(pair.name, st.just(pair), known_failures=pair.known_failures)
    if isinstance(value, Entry):
        return Subject(
            value.name,
            value.pairs,
            target=f"{CATALOG}:{value.name}",
            control=value.control,
            built_in=value.origin.startswith("eqprop.catalog."),
        )
    if isinstance(value, Subject):
        return value
    return Subject(default if renamed else _strategy_name(value, default), value)


def _strategy_name(strategy: SearchStrategy[Pair], default: str) -> str:
    """The name of the ``@st.composite`` function that returned it, never a repr; else the default."""
    function: Any = getattr(strategy, "function", None)
    if not inspect.isfunction(function) or function.__module__.startswith("hypothesis"):
        return default
    return function.__name__.replace("_", "-") if function.__name__.isidentifier() else default


def _distinct(subjects: list[Subject], where: str) -> list[Subject]:
    names = [subject.name for subject in subjects]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = (
            f"{where}: several subjects are called {', '.join(map(repr, twice))}; a verdict would not say which one "
            "it is about. Give the pairs a name=, or pass a mapping from names to them."
        )
        raise InvalidInput(msg)
    return subjects


def _entry(name: str, target: str) -> Subject:
    known = entries()
    if name in known:
        return as_subjects(known[name])[0]
    mutant = re.fullmatch(r"(?P<entry>[^\[]+)\[(?P<mutant>[^\]]+)\]", name)
    if mutant and mutant["entry"] in known:
        entry = known[mutant["entry"]]
        return Subject(name, entry.mutant(mutant["mutant"]).of(entry.pairs), target=f"{CATALOG}:{name}")
    close = difflib.get_close_matches(name, known, n=3)
    hint = f" Did you mean {' or '.join(close)}?" if close else " `eqprop list` shows the entries."
    msg = (
        f"target {target!r} is no entry of the catalog, and without a colon it is no 'package.module:attribute'.{hint}"
    )
    if target.startswith(f"{CATALOG}:"):
        msg = f"target {target!r}: the catalog has no entry {name!r}.{hint}"
    raise InvalidInput(msg)


def _imported(module: str, target: str) -> Any:
    if module.endswith(".py") or "/" in module or os.sep in module:
        dotted = ".".join(Path(module).with_suffix("").parts)
        msg = f"target {target!r} names a file; expected a module: {dotted}:{target.partition(':')[2]}"
        raise InvalidInput(msg)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            msg = f"target {target!r}: no module named {error.name!r} (searched: {Path.cwd()} and installed packages)."
            raise InvalidInput(msg) from error
        msg = f"target {target!r}: {module!r} imports a module that is not installed: {_last_line(error)}"
        raise InvalidInput(msg) from error
    except (Exception, SystemExit) as error:
        msg = f"target {target!r}: {module!r} raised while it was imported: {_last_line(error)}"
        raise InvalidInput(msg) from error


def attribute_of(target: str) -> Any:
    """What ``"package.module:attribute"`` names, as it is.

    Raises:
        InvalidInput: where the target cannot be imported or found.
    """
    module, _, attribute = target.partition(":")
    if not attribute:
        msg = f"target {target!r} names nothing behind a colon; expected 'package.module:attribute'."
        raise InvalidInput(msg)
    return _attribute(_imported(module, target), attribute, target)


def _attribute(module: Any, path: str, target: str) -> Any:
    value = module
    for name in path.split("."):
        if not hasattr(value, name):
            close = difflib.get_close_matches(name, [n for n in dir(value) if not n.startswith("_")], n=3)
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            owner = getattr(value, "__name__", type(value).__name__)
            msg = f"target {target!r}: {owner!r} has no attribute {name!r}.{hint}"
            raise InvalidInput(msg)
        value = getattr(value, name)
    return value


def _called(function: Callable[..., Any], where: str) -> Any:
    name = getattr(function, "__qualname__", repr(function)).removeprefix("accept.<locals>.")
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        msg = f"{where}: {name} needs arguments ({error}); {EXPECTED}."
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
    foreign = ("<frozen", str(Path(__file__).parent))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(foreign)]
    own = [f for f in frames if "site-packages" not in f.filename]
    # A SyntaxError says where it is by itself; its last frame is that of the importer.
    if not own or isinstance(error, SyntaxError):
        return text
    return f"{text} ({Path(own[-1].filename).name}:{own[-1].lineno})"
