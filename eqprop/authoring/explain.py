"""What there is to verify, in words: catalog entries and properties."""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import indent

from eqprop.arguments import suggestion
from eqprop.authoring.reference import facts
from eqprop.claims import Params
from eqprop.engine import Tree
from eqprop.errors import InvalidInput
from eqprop.groups import DiscretePower, DiscreteProduct, Group
from eqprop.properties import KNOWN, LIBRARY, Property
from eqprop.properties.optimizers import CHARGE, OptimizerProperty, optimizer_charge, optimizer_properties
from eqprop.registry import Entry, entries
from eqprop.results import KINDS, code_explained
from eqprop.search import simplest


def explanation(name: str) -> str:
    """All that is known of a catalog entry, a property or a code.

    Raises:
        InvalidInput: where none is called so, with the closest names.
    """
    if name.upper() in KINDS:
        return code_explained(KINDS[name.upper()])
    known = entries()
    properties = {prop.name: prop for prop in (*KNOWN, *_of_optimizers())}
    if name in known:
        return "\n".join(_entry_lines(known[name]))
    if name in properties:
        return "\n".join(_property_lines(properties[name]))
    hint = suggestion(
        name, (*known, *properties, *KINDS), otherwise="`eqprop list` shows the names, docs/codes.md the codes."
    )
    msg = f"no catalog entry, no property and no code is called {name!r}. {hint}"
    raise InvalidInput(msg)


class _Yours:
    """Stands for the optimiser that a property is about: what is claimed does not depend on it."""

    def init(self, params: Params) -> Tree:
        """No state."""
        del params
        return ()

    def update(self, grads: Params, state: Tree, params: Params) -> Tree:
        """The gradients."""
        del params
        return grads, state


def _of_optimizers() -> tuple[Property, ...]:
    name = "the optimizer"
    return (*optimizer_properties(_Yours(), name), optimizer_charge(_Yours(), name))


def entry_facts(entry: Entry) -> dict[str, str]:
    """What is said of a catalog entry, by label; empty where there is nothing to say."""
    return {
        "action": entry.action,
        "generator": entry.generator,
        "charge": "" if entry.control else entry.charge,
        "hessian": entry.hessian,
        "hypotheses": "; ".join(entry.hypotheses),
        "pitfalls": entry.pitfalls,
        "reference": entry.reference,
        "falsified": entry.control,
    }


def _entry_lines(entry: Entry) -> Iterator[str]:
    yield f"{entry.name}: a {'negative control' if entry.control else 'catalog entry'} ({entry.origin})"
    if entry.statement:
        yield indent(entry.statement, "  ")
    yield from _labelled({"group": group_of(entry), **entry_facts(entry)})
    if entry.mutants:
        yield "  mutants, each caught at its order and not below:"
        width = max(len(mutant.name) for mutant in entry.mutants)
        for mutant in sorted(entry.mutants, key=lambda m: m.order):
            yield f"    order {mutant.order}  {mutant.name:<{width}}  {mutant.why}"
    yield f"  verify      eqprop verify {entry.name}"


def _property_lines(prop: Property) -> Iterator[str]:
    yield f"{prop.name}: a property of order {prop.order}"
    yield from _labelled(facts(prop))
    if isinstance(prop, OptimizerProperty):
        yield f"  verify      {'eqprop optimizers' if prop.name == CHARGE else 'eqprop verify --optimizer MODULE:ATTR'}"
    else:
        yield f"  verify      eqprop verify --property {prop.name}"


def _labelled(fields: dict[str, str]) -> Iterator[str]:
    """A line for each field that has a text; further lines of a text are indented to its first."""
    for label, text in fields.items():
        if text:
            first, *others = text.splitlines()
            yield f"  {label:<10}  {first}"
            yield from (f"{'':<14}{line.strip()}" for line in others)


def group_of(entry: Entry) -> str:
    """The kind of group that acts, in the simplest pair of an entry: ``Power(GeneralLinear)``."""
    return _kind(simplest(entry.pairs).transformation.group)


def _kind(group: Group) -> str:
    if isinstance(group, DiscretePower):
        return f"Power({_kind(group.factor)})"
    if isinstance(group, DiscreteProduct):
        return f"Product({', '.join(dict.fromkeys(map(_kind, group.factors)))})"
    return type(group).__name__


def listing(match: str = "", order: int | None = None, group: str = "") -> str:
    """Entries, controls and properties, a line each.

    Args:
        match: a part of the names to list.
        order: lists the properties of one order only.
        group: lists only the entries whose kind of group contains this (``linear``, ``scaling``, ``permutation``).
    """
    found = [e for e in entries().values() if match.lower() in e.name.lower()]
    if group:
        found = [e for e in found if group.lower() in group_of(e).lower()]
    chosen = [p for p in LIBRARY if match.lower() in p.name.lower() and order in (None, p.order)]
    sections = {} if group else {"properties": [(f"{p.name} (order {p.order})", p.formula) for p in chosen]}
    if order is None:
        pairs = {
            "catalog": [(e.name, e.action or _first_line(e.statement)) for e in found if not e.control],
            "negative controls": [(e.name, e.control) for e in found if e.control],
        }
        sections = pairs | sections
    if not any(sections.values()):
        raise InvalidInput(_nothing(match, order, group))
    return "\n\n".join(_section(title, rows) for title, rows in sections.items() if rows)


def _nothing(match: str, order: int | None, group: str) -> str:
    """What to say of a list without a line: which words exclude everything, and what there is instead."""
    if group and order is not None:
        return f"--group {group!r} lists entries and --order {order} lists properties; give one of them."
    if group:
        kinds = sorted({kind for entry in entries().values() for kind in re.findall(r"\w+", group_of(entry))})
        close = suggestion(group, kinds)
        named = f" whose name contains {match!r}" if match else ""
        return f"no entry{named} has a group like {group!r}. The groups are: {', '.join(kinds)}. {close}".strip()
    which = "" if order is None else f" of order {order}"
    what = "property" if which else "entry and no property"
    hint = suggestion(match, (*entries(), *(p.name for p in LIBRARY)))
    return f"no {what}{which} has a name that contains {match!r}. {hint}".strip()


def _section(title: str, rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join([f"{title} ({len(rows)})", *(f"  {name:<{width}}  {text}" for name, text in rows)])


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
