"""The reference of the catalog, docs/catalog.md, from what its entries say and what was measured of them.

It is written by

python -m eqprop.authoring.catalog_page > docs/catalog.md
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from eqprop.authoring.expected import cells
from eqprop.authoring.explain import entry_facts, group_of
from eqprop.authoring.kills import Kill, kills, own_entries
from eqprop.mutants import COVARIANT, Mutant
from eqprop.properties import LIBRARY
from eqprop.registry import Entry

COMMAND = "python -m eqprop.authoring.catalog_page > docs/catalog.md"

PROPERTIES_PAGE = "properties.md"


def page() -> str:
    """The whole of docs/catalog.md."""
    families = _families()
    return "\n".join([*_introduction(), *_shared_mutants(), *_contents(families), *_sections(families)])


def _families() -> dict[str, list[Entry]]:
    """The modules of the catalog, each with its entries, claims before controls."""
    families: dict[str, list[Entry]] = {}
    for entry in own_entries().values():
        families.setdefault(entry.origin.partition(":")[0], []).append(entry)
    return {
        module: sorted(members, key=lambda e: (bool(e.control), e.name)) for module, members in sorted(families.items())
    }


def _introduction() -> Iterator[str]:
    found = own_entries().values()
    controls = sum(bool(entry.control) for entry in found)
    yield f"""\
<!-- Written by `{COMMAND}` from the code. Do not edit: change the entry. -->

# Catalog

{len(found) - controls} transformation–model pairs and {controls} negative controls, by family. Each is a hypothesis
strategy: the architecture is drawn, and so is where the transformed block sits in a larger random network.
`eqprop explain NAME` says the same of one entry, `eqprop verify NAME` verifies it, `eqprop list --group linear` lists
those on which a kind of group acts.

- **Properties** that apply to an entry stand behind the decade of the smallest relative error that would have been
  noticed (the median over probes, in the run that `python -m benchmarks.cells` kept, rounded up). The others do not
  apply; `eqprop verify -v` says why. [{PROPERTIES_PAGE}]({PROPERTIES_PAGE}) explains them.
- **Mutants** are defects that were planted in the entry. Each is caught at the order it is listed under and at none
  below (`python -m benchmarks.power`); behind the order is what of that order caught them, the first of many.
  What is scaled entry by entry is by up to 1 + 0.001.
- Where a **reference** says 2512.21447, it is Yang & Ziyin.
- A **negative control** is a claim that is wrong: its premise must be falsified on every architecture.
"""


def _shared_mutants() -> Iterator[str]:
    """The defects that every entry has, once for all."""
    yield "## Mutants of every entry\n"
    yield "Derivatives that are wrong in the same way at θ and at K_g θ:\n".replace("K_g", r"K\_g")
    for mutant in COVARIANT:
        found = [kill for kill in kills() if kill.mutant == mutant.name]
        caught = {name for kill in found for name in kill.falsified}
        by = [prop.name for prop in LIBRARY if prop.name in caught and prop.order == mutant.order]
        yield f"{_line(mutant)} ({', '.join(by) or 'not measured'}; measured on {len(found)} entries)"
    yield ""


def _contents(families: Mapping[str, list[Entry]]) -> Iterator[str]:
    yield "## Contents\n"
    for module, members in families.items():
        # Without links, which would be as long as the names again: each has a heading of its own.
        yield f"- {_title(module)}: {', '.join(f'`{entry.name}`' for entry in members)}"
    yield ""


def _title(module: str) -> str:
    """The first words of the module's docstring, up to a colon."""
    return (sys.modules[module].__doc__ or module).partition("\n")[0].partition(":")[0].rstrip(".")


def _sections(families: Mapping[str, list[Entry]]) -> Iterator[str]:
    for module, members in families.items():
        yield f"## {_title(module)}\n"
        for entry in members:
            yield from _section(entry)


def _section(entry: Entry) -> Iterator[str]:
    yield f"### {entry.name}\n"
    yield f"{'Negative control. ' if entry.control else ''}{' '.join(entry.statement.split())}\n"
    for label, text in {"group": group_of(entry), **entry_facts(entry)}.items():
        if text:
            yield f"- **{label}**: {_escaped(text)}"
    if not entry.control:
        yield f"- **properties**: {_properties(cells().get(entry.name, {}))}"
        yield "- **mutants**, beside those of every entry:"
        yield from _mutants(entry)
    yield ""


SHORT = {
    "second order after Yang & Ziyin (2512.21447)": "second order: 2512.21447",
    " by up to 1 + 0.001, entry by entry": ", entry by entry",
}
"""What many entries say alike is said shorter, and once in the introduction: a page of over 300 KB is too long."""


def shortened(text: str) -> str:
    """A text as the page has it: what many say alike is short."""
    for long, short in SHORT.items():
        text = text.replace(long, short)
    return text


def _escaped(text: str) -> str:
    """Text of formulas in Markdown: an asterisk is one."""
    return shortened(text).replace("*", r"\*").replace("_", r"\_").replace("|", r"\|")


def _properties(resolutions: Mapping[str, float | None]) -> str:
    """By decades, finest first; without a number, a link or a typeface for each: those were a third of the page."""
    decades: dict[int, list[str]] = {}
    for prop in LIBRARY:
        resolution = resolutions.get(prop.name)
        if resolution is not None:
            decades.setdefault(math.ceil(math.log10(resolution)), []).append(prop.name)
    return "; ".join(f"1e{decade}: {', '.join(names)}" for decade, names in sorted(decades.items()))


@cache
def _found() -> dict[tuple[str, str], Kill]:
    return {kill.cell: kill for kill in kills()}


def _mutants(entry: Entry) -> Iterator[str]:
    """A line for each order: one for each mutant, with what caught it, was a third of the page."""
    own = sorted(set(entry.mutants) - set(COVARIANT), key=entry.mutants.index)
    for order in sorted({mutant.order for mutant in own}):
        of_order = [mutant for mutant in own if mutant.order == order]
        told = "; ".join(f"`{mutant.name}`: {_escaped(mutant.why)}" for mutant in of_order)
        yield f"  - order {order} ({_caught_by(entry, of_order)}): {told}"


def _caught_by(entry: Entry, mutants: Sequence[Mutant]) -> str:
    """What caught some of these mutants of one order; that one of them was never measured comes first."""
    kills = [_found().get((entry.name, mutant.name)) for mutant in mutants]
    if not all(kills):
        return "not measured"
    caught = {name for kill in kills if kill for name in kill.falsified}
    return _the_first([prop.name for prop in LIBRARY if prop.name in caught and prop.order == mutants[0].order])


def _the_first(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 2 else ", ".join(names)


def _line(mutant: Mutant) -> str:
    return f"- order {mutant.order}, `{mutant.name}`: {_escaped(mutant.why)}"


def main() -> None:
    """Write the page to the standard output, in UTF-8 whatever the terminal's encoding is."""
    sys.stdout.buffer.write((page() + "\n").encode())


if __name__ == "__main__":
    main()
