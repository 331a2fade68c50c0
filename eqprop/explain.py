"""What there is to verify, in words: catalog entries and properties."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from textwrap import indent

from eqprop.errors import InvalidInput
from eqprop.properties import HIGHER, LIBRARY, Property
from eqprop.reference import facts
from eqprop.registry import Entry, entries


def explanation(name: str) -> str:
    """All that is known of a catalog entry or a property.

    Raises:
        InvalidInput: where neither is called so, with the closest names.
    """
    known = entries()
    properties = {prop.name: prop for prop in LIBRARY} | HIGHER
    if name in known:
        return "\n".join(_entry_lines(known[name]))
    if name in properties:
        return "\n".join(_property_lines(properties[name]))
    close = difflib.get_close_matches(name, [*known, *properties], n=3)
    hint = f"Did you mean {' or '.join(close)}?" if close else "`eqprop list` shows the names."
    msg = f"no catalog entry and no property is called {name!r}. {hint}"
    raise InvalidInput(msg)


def _entry_lines(entry: Entry) -> Iterator[str]:
    yield f"{entry.name}: a {'negative control' if entry.control else 'catalog entry'} ({entry.origin})"
    if entry.statement:
        yield indent(entry.statement, "  ")
    fields = {
        "action": entry.action,
        "generator": entry.generator,
        "charge": "" if entry.control else entry.charge,
        "hessian": entry.hessian,
        "hypotheses": "; ".join(entry.hypotheses),
        "pitfalls": entry.pitfalls,
        "reference": entry.reference,
        "falsified": entry.control,
    }
    yield from _labelled(fields)
    if entry.mutants:
        yield "  mutants, each caught at its order and not below:"
        width = max(len(mutant.name) for mutant in entry.mutants)
        for mutant in sorted(entry.mutants, key=lambda m: m.order):
            yield f"    order {mutant.order}  {mutant.name:<{width}}  {mutant.why}"
    yield f"  verify      eqprop verify {entry.name}"


def _property_lines(prop: Property) -> Iterator[str]:
    yield f"{prop.name}: a property of order {prop.order}"
    yield from _labelled(facts(prop))
    yield f"  verify      eqprop verify --property {prop.name}"


def _labelled(fields: dict[str, str]) -> Iterator[str]:
    """A line for each field that has a text; further lines of a text are indented to its first."""
    for label, text in fields.items():
        if text:
            first, *others = text.splitlines()
            yield f"  {label:<10}  {first}"
            yield from (f"{'':<14}{line.strip()}" for line in others)


def listing(match: str = "", order: int | None = None) -> str:
    """Entries, controls and properties, a line each.

    Args:
        match: a part of the names to list.
        order: lists the properties of one order only, and the mutants' orders are left as they are.
    """
    found = [e for e in entries().values() if match.lower() in e.name.lower()]
    chosen = [p for p in LIBRARY if match.lower() in p.name.lower() and order in (None, p.order)]
    sections = {
        "properties": [(f"{p.name} (order {p.order})", p.formula) for p in chosen],
    }
    if order is None:
        pairs = {
            "catalog": [(e.name, e.action or _first_line(e.statement)) for e in found if not e.control],
            "negative controls": [(e.name, e.control) for e in found if e.control],
        }
        sections = pairs | sections
    if not any(sections.values()):
        msg = f"nothing is called like {match!r}{'' if order is None else f' and has order {order}'}."
        raise InvalidInput(msg)
    return "\n\n".join(_section(title, rows) for title, rows in sections.items() if rows)


def _section(title: str, rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join([f"{title} ({len(rows)})", *(f"  {name:<{width}}  {text}" for name, text in rows)])


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
