"""The registry of catalog entries: this repository's, and those of packages with an ``eqprop.catalog`` entry point."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis.strategies import SearchStrategy

from eqprop.arguments import got, kebab_case, short, suggestion
from eqprop.claims import Pair
from eqprop.engine import behind
from eqprop.errors import InvalidInput
from eqprop.mutants import COVARIANT, Mutant

ENTRY_POINTS = "eqprop.catalog"
T = TypeVar("T")
Builder = Callable[..., SearchStrategy[Pair]]


@dataclass(frozen=True, eq=False)
class Entry:
    """A transformation–model pair of the catalog, as a strategy, with what is known of it.

    Attributes:
        name: kebab-case; the name of every pair that is drawn, and its test id.
        pairs: the strategy: a drawn pair is a pure function of what was drawn, its ``architecture``.
        statement: what is claimed, from the docstring.
        action: K, T and X in symbols.
        generator: k_ξ in symbols; for a discrete group, what there is instead.
        charge: the quantity that gradient flow conserves, or "none" with the reason.
        hessian: what the second order says.
        hypotheses: under which the claim is implied.
        pitfalls: where it fails, or passes trivially.
        reference: which statement is taken from where.
        mutants: defects that must be caught: those that it was registered with, and those of every entry.
        control: why every pair must be falsified at order 0; empty for a true entry.
        origin: ``module:function`` that registered it.
    """

    name: str
    pairs: SearchStrategy[Pair]
    statement: str
    action: str = ""
    generator: str = ""
    charge: str = "none"
    hessian: str = ""
    hypotheses: tuple[str, ...] = ()
    pitfalls: str = ""
    reference: str = ""
    mutants: tuple[Mutant, ...] = ()
    control: str = ""
    origin: str = ""

    def mutant(self, name: str) -> Mutant:
        """The mutant of this name.

        Raises:
            InvalidInput: naming the entry's mutants, where there is none.
        """
        found = next((m for m in self.mutants if m.name == name), None)
        if found is None:
            known = ", ".join(m.name for m in self.mutants) or "(none)"
            msg = f"catalog entry {self.name!r} has no mutant {name!r}; its mutants are: {known}."
            raise InvalidInput(msg)
        return found

    def __repr__(self) -> str:
        return f"Entry({self.name!r}{', control' if self.control else ''}, {len(self.mutants)} mutants)"


@dataclass
class _State:
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    loaded: bool = False


_state = _State()


def register(
    *,
    name: str,
    reference: str,
    mutants: Sequence[Mutant] = (),
    control: str = "",
    action: str = "",
    generator: str = "",
    charge: str = "none",
    hessian: str = "",
    hypotheses: Sequence[str] = (),
    pitfalls: str = "",
) -> Callable[[Builder], Builder]:
    """Add a strategy of pairs to the catalog: decorates a function without arguments that returns one.

    A ``@st.composite`` function is such a function. It is returned as it is; the pairs of the entry carry the entry's
    name.

    Args:
        name: in kebab-case; reports, files and commands have it.
        reference: where the statement is taken from.
        mutants: the defects that a default run must catch.
        control: why the claim is wrong, of a negative control.
        action: K, as a formula.
        generator: k_ξ, likewise.
        charge: what gradient flow conserves, likewise.
        hessian: what the symmetry says of H, likewise.
        hypotheses: what must be true for it to hold, a text each.
        pitfalls: how it is usually got wrong.

    Raises:
        InvalidInput: for a name that is not kebab-case or is taken (naming both places), an entry without mutants that
            is no control, two mutants of one name, what is said of it in anything but texts, or a function that raises
            or does not return a strategy.
    """
    where = f"catalog entry {kebab_case(name, what='register')!r}"
    texts = {"reference": reference, "control": control, "action": action, "generator": generator, "charge": charge}
    texts |= {"hessian": hessian, "pitfalls": pitfalls}
    for field_name, text in texts.items():
        if not isinstance(text, str):
            msg = f"{where}: {field_name} is {got(text)}; expected a text."
            raise InvalidInput(msg)
    conditions = _listed(hypotheses, str, "texts", f"{where}: hypotheses")
    broken = _listed(mutants, Mutant, "mutants, as eqprop.mutants makes them", f"{where}: mutants")

    def decorate(build: Builder) -> Builder:
        origin = _origin(build)
        if name in _state.entries:
            other = _state.entries[name].origin
            msg = f"catalog entry {name!r} is registered twice: by {other} and by {origin}. Rename one."
            raise InvalidInput(msg)
        _state.entries[name] = Entry(
            name=name,
            pairs=_pairs(build, name),
            statement=inspect.getdoc(build) or "",
            action=action,
            generator=generator,
            charge=charge,
            hessian=hessian,
            hypotheses=conditions,
            pitfalls=pitfalls,
            reference=reference,
            mutants=_checked_mutants(broken, name=name, origin=origin, control=control),
            control=control,
            origin=origin,
        )
        return build

    return decorate


def _listed(values: object, kind: type[T], expected: str, what: str) -> tuple[T, ...]:
    """What was given, each of one kind; a single one is a list of one."""
    if isinstance(values, kind):
        return (values,)
    given: tuple[Any, ...] = (
        tuple(values) if isinstance(values, Iterable) and not isinstance(values, str) else (values,)
    )
    for value in given:
        if not isinstance(value, kind):
            msg = f"{what} has {got(value)} in it; expected {expected}."
            raise InvalidInput(msg)
    return given


def _origin(build: object) -> str:
    # st.composite names its result "accept.<locals>.function"
    name = getattr(build, "__qualname__", short(build)).removeprefix("accept.<locals>.")
    return f"{getattr(build, '__module__', '?')}:{name}"


def _pairs(build: Builder, name: str) -> SearchStrategy[Pair]:
    """The strategy, each of whose pairs carries the entry's name."""
    where = f"catalog entry {name!r}: {_origin(build)}"
    expected = f"{where} should be a function without arguments that returns a strategy"
    try:
        inspect.signature(build).bind()
    except TypeError as error:
        msg = f"{expected}, but: {error}."
        raise InvalidInput(msg) from error
    try:
        strategy = build()
    except InvalidInput:
        raise
    except Exception as error:
        msg = f"{where} raised {type(error).__name__}: {error}{behind(error)}."
        raise InvalidInput(msg) from error
    if not isinstance(strategy, SearchStrategy):
        msg = f"{expected}, but it returns {short(strategy)}. Decorate a function of draw with @st.composite."
        raise InvalidInput(msg)

    def named(pair: object) -> Pair:
        if not isinstance(pair, Pair):
            msg = f"{where} drew {got(pair)}; expected an eqprop.Pair."
            raise InvalidInput(msg)
        return pair.replaced(name=name)

    return strategy.map(named)


def _checked_mutants(mutants: Sequence[Mutant], *, name: str, origin: str, control: str) -> tuple[Mutant, ...]:
    if not mutants and not control:
        msg = (
            f"catalog entry {name!r} ({origin}) has no mutants: a check that cannot fail is a defect. Give "
            "mutants=[...] (see eqprop.mutants), or control='why every pair must be falsified'."
        )
        raise InvalidInput(msg)
    judged = (*mutants, *(() if control else COVARIANT))
    names = [mutant.name for mutant in judged]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        msg = f"catalog entry {name!r} ({origin}) has several mutants called {', '.join(twice)}; give each a name=."
        raise InvalidInput(msg)
    return judged


def entries() -> dict[str, Entry]:
    """All entries by name, in alphabetical order; the catalogs are imported at the first call.

    Raises:
        InvalidInput: where an entry point of another package cannot be imported, naming it and the cause.
    """
    if not _state.loaded:
        importlib.import_module("eqprop.catalog")
        for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
            _load(point)
        _state.loaded = True
    return dict(sorted(_state.entries.items()))


def _load(point: importlib.metadata.EntryPoint) -> None:
    """Import one entry point.

    What it registered before it failed is taken back, so that a second attempt says the same.
    """
    before = dict(_state.entries)
    try:
        point.load()
    except Exception as error:  # whatever a foreign module raises, the user needs to know which one it was
        _state.entries = before
        msg = (
            f"the catalog {point.name!r} = {point.value!r} (entry-point group {ENTRY_POINTS}) cannot be imported: "
            f"{type(error).__name__}: {error}. Mend or uninstall the package that declares it."
        )
        raise InvalidInput(msg) from error


def entry(name: str) -> Entry:
    """The entry of this name.

    Raises:
        InvalidInput: where there is none, with the closest names.
    """
    known = entries()
    if not isinstance(name, str) or name not in known:
        hint = suggestion(name, known, otherwise=f"`eqprop list` shows the {len(known)} that there are.")
        msg = f"the catalog has no entry {short(name)}. {hint}"
        raise InvalidInput(msg)
    return known[name]


@contextmanager
def isolated(*, load: bool = False) -> Generator[None]:
    """An empty registry for the time of a block. For tests of registrations.

    Args:
        load: whether entry points are imported into it; modules that Python has imported before register nothing again.
    """
    global _state  # noqa: PLW0603 - the one place that swaps the registry
    kept, _state = _state, _State(loaded=not load)
    try:
        yield
    finally:
        _state = kept
