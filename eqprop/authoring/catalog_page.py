"""The reference of the catalog, from what its entries say and what was measured of them.

docs/catalog.md has the contents, and docs/catalog/ a page for each file of the catalog. They are written by

python -m eqprop.authoring.catalog_page docs
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from eqprop.authoring.expected import cells
from eqprop.authoring.explain import entry_facts, group_of
from eqprop.authoring.kills import Kill, kills, own_entries
from eqprop.errors import InvalidInput
from eqprop.mutants import COVARIANT, Mutant
from eqprop.properties import LIBRARY
from eqprop.registry import Entry

COMMAND = "python -m eqprop.authoring.catalog_page docs"

CONTENTS = "catalog.md"
FOLDER = "catalog"
PROPERTIES_PAGE = "properties.md"

WRITTEN = f"<!-- Written by `{COMMAND}` from the code. Do not edit: change the entry. -->\n"


def pages() -> dict[str, str]:
    """The pages, by their paths below docs/: the contents, then one for each file of the catalog."""
    families = _families()
    contents = (WRITTEN, *_introduction(), *_shared_mutants(), *_contents(families))
    return {CONTENTS: "\n".join(contents)} | {
        _path(module): "\n".join((WRITTEN, *_family(module, members))) for module, members in families.items()
    }


def write(docs: Path) -> None:
    """Write the pages below a folder, and remove those of files that the catalog has no more.

    Raises:
        InvalidInput: where the folder has no page of the catalog yet: another one was meant.
    """
    if not (docs / CONTENTS).is_file():
        msg = f"there is no {CONTENTS} in {str(docs)!r}; expected the folder of the documentation: {COMMAND}"
        raise InvalidInput(msg)
    found = pages()
    (docs / FOLDER).mkdir(exist_ok=True)
    for old in set((docs / FOLDER).glob("*.md")) - {docs / path for path in found}:
        old.unlink()
    for path, text in found.items():
        (docs / path).write_text(text, encoding="utf-8")


def _families() -> dict[str, list[Entry]]:
    """The modules of the catalog, each with its entries, claims before controls."""
    families: dict[str, list[Entry]] = {}
    for entry in own_entries().values():
        families.setdefault(entry.origin.partition(":")[0], []).append(entry)
    return {
        module: sorted(members, key=lambda e: (bool(e.control), e.name)) for module, members in sorted(families.items())
    }


def _path(module: str) -> str:
    return f"{FOLDER}/{module.rpartition('.')[2]}.md"


def _introduction() -> Iterator[str]:
    found = own_entries().values()
    controls = sum(bool(entry.control) for entry in found)
    yield f"""\
# Catalog

{len(found) - controls} transformation–model pairs and {controls} negative controls, a page for each family. Each is a
hypothesis strategy: the architecture is drawn, and so is where the transformed block sits in a larger random network.
`eqprop explain NAME` says the same of one entry, `eqprop verify NAME` verifies it, `eqprop list --group linear` lists
those on which a kind of group acts.

- **Properties** that apply to an entry are followed by the smallest relative error that would have been noticed (the
  median over probes, in the run that `python -m benchmarks.cells` kept). The others do not apply; `eqprop verify -v`
  says why. [{PROPERTIES_PAGE}]({PROPERTIES_PAGE}) explains them.
- **Mutants** are defects that were planted in the entry. Each is caught at its order and at none below
  (`python -m benchmarks.power`), by the properties of that order that are named beside it.
- A **negative control** is a claim that is wrong: its premise must be falsified on every architecture.
"""


def _shared_mutants() -> Iterator[str]:
    """The defects that every entry has, once for all."""
    yield "## Mutants of every entry\n"
    yield r"Derivatives that are wrong in the same way at θ and at K\_g θ:" + "\n"
    yield "| order | mutant | what is wrong | caught by | measured on |"
    yield "|---|---|---|---|---|"
    for mutant in COVARIANT:
        found = [kill for kill in kills() if kill.mutant == mutant.name]
        yield f"{_row(mutant, _caught_by(mutant, found))} {len(found)} entries |"
    yield ""


def _contents(families: Mapping[str, list[Entry]]) -> Iterator[str]:
    yield "## Contents\n"
    for module, members in families.items():
        path = _path(module)
        links = ", ".join(f"[`{entry.name}`]({path}#{entry.name})" for entry in members)
        yield f"- [{_title(module)}]({path}): {links}"
    yield ""


def _title(module: str) -> str:
    """The first words of the module's docstring, up to a colon."""
    return (sys.modules[module].__doc__ or module).partition("\n")[0].partition(":")[0].rstrip(".")


def _family(module: str, members: Sequence[Entry]) -> Iterator[str]:
    yield f"# {_title(module)}\n"
    yield f"A part of the [catalog](../{CONTENTS}), which says how to read it.\n"
    for entry in members:
        yield from _section(entry)


def _section(entry: Entry) -> Iterator[str]:
    yield f"## {entry.name}\n"
    yield f"{'Negative control. ' if entry.control else ''}{' '.join(entry.statement.split())}\n"
    for label, text in {"group": group_of(entry), **entry_facts(entry)}.items():
        if text:
            yield f"- **{label}**: {_escaped(text)}"
    yield ""
    if not entry.control:
        yield from _properties(cells().get(entry.name, {}))
        yield from _mutants(entry)


def _properties(resolutions: Mapping[str, float | None]) -> Iterator[str]:
    yield "| order | properties |"
    yield "|---|---|"
    for order in sorted({prop.order for prop in LIBRARY if prop.name in resolutions}):
        told = (
            f"[{prop.name}](../{PROPERTIES_PAGE}#{prop.name}) {_shown(resolutions[prop.name])}"
            for prop in LIBRARY
            if prop.order == order and prop.name in resolutions
        )
        yield f"| {order} | {', '.join(told)} |"
    yield ""


def _shown(resolution: float | None) -> str:
    return "" if resolution is None else f"{resolution:.0e}".replace("e-0", "e-")


@cache
def _found() -> dict[tuple[str, str], Kill]:
    return {kill.cell: kill for kill in kills()}


def _mutants(entry: Entry) -> Iterator[str]:
    """A table of those beside which every entry has."""
    yield "| order | mutant | what is wrong | caught by |"
    yield "|---|---|---|---|"
    for mutant in sorted(set(entry.mutants) - set(COVARIANT), key=lambda m: (m.order, entry.mutants.index(m))):
        found = [_found()[cell] for cell in [(entry.name, mutant.name)] if cell in _found()]
        yield _row(mutant, _caught_by(mutant, found))
    yield ""


def _row(mutant: Mutant, caught_by: str) -> str:
    return f"| {mutant.order} | `{mutant.name}` | {_escaped(mutant.why)} | {caught_by} |"


def _caught_by(mutant: Mutant, found: Sequence[Kill]) -> str:
    """The properties of its order that caught a mutant."""
    caught = {name for kill in found for name in kill.falsified}
    by = [prop.name for prop in LIBRARY if prop.name in caught and prop.order == mutant.order]
    return ", ".join(by) or "not measured"


def _escaped(text: str) -> str:
    """Text of formulas in Markdown: an asterisk is one."""
    return text.replace("*", r"\*").replace("_", r"\_").replace("|", r"\|")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pages below the folder that is given."""
    parser = argparse.ArgumentParser(
        prog="python -m eqprop.authoring.catalog_page", description="Write the reference of the catalog."
    )
    parser.add_argument("docs", type=Path, help="the folder that has catalog.md")
    try:
        write(parser.parse_args(arguments).docs)
    except InvalidInput as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
