"""Which statements are independent, shown by the kill matrix, and which are readings of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eqprop.authoring.kills import Kill, kills
from eqprop.properties import LIBRARY, Property, by_name

PARTS: dict[str, tuple[str, ...]] = {
    "the first forty": (
        "group-laws", "equivariance", "charge-form", "jacobian-covariance", "jacobian-generator", "bracket",
        "model-second-order", "tangent-kernel-covariance", "hessian-generator", "third-order",
    ),
    "calculus": ("derivative", "input-derivative", "hessian-symmetry", "hessian-integral"),
    "inputs": ("mixed-covariance", "data-sensitivity"),
    "near-symmetries": ("near-equivariance", "defect", "defect-curvature"),
}  # fmt: skip
"""Of the independent statements: those of the first half of the library, and the second half's by their subject."""


def independent() -> list[Property]:
    """The statements that no others imply."""
    return [prop for prop in LIBRARY if not prop.consequence_of]


def readings() -> list[Property]:
    """What others together imply, and what is verified because it says what they mean in its case."""
    return [prop for prop in LIBRARY if prop.consequence_of]


def apart(prop: Property, matrix: Iterable[Kill]) -> list[Kill]:
    """The mutants that an independent statement catches and no other independent one does: readings of it may."""
    others = {other.name for other in independent()} - {prop.name}
    return [kill for kill in matrix if prop.name in kill.falsified and not others & set(kill.falsified)]


def link(name: str) -> str:
    """To a property's section of the page."""
    return f"[`{name}`](#{name})"


def links(props: Iterable[Property]) -> str:
    """Likewise, of several."""
    return ", ".join(link(prop.name) for prop in props)


def independence() -> Iterator[str]:
    """The lines of the section."""
    alone, implied, matrix = independent(), readings(), kills()
    second = sum(map(len, PARTS.values())) - len(PARTS["the first forty"])
    yield "## What is independent, and what is a reading of it\n"
    integral, premise = links(map(by_name, ("derivative", "hessian-integral"))), link("equivariance")
    averaged = links(map(by_name, ("averaged-gradient", "averaged-hessian")))
    yield f"Of {len(LIBRARY)} statements {len(alone)} are implied by no others. Of the first forty twelve were: two of"
    yield f"these, {averaged}, are readings since {integral} are statements of their own;"
    yield f"the others are below. The second half of the library added {second}. In mathematics derivatives of"
    yield f"{premise} are no more than it says; here each is a program of its own, which may be wrong alone."
    yield "That none of them follows from the rest is seen of the mutants: each catches one that none of the others"
    yield "does.\n"
    yield "| independent | of | mutants that no other of these catches |"
    yield "|---|---|---|"
    for prop in alone:
        (part,) = (part for part, names in PARTS.items() if prop.name in names)
        caught = apart(prop, matrix)
        first = f", as `{caught[0].entry}[{caught[0].mutant}]`" if caught else ""
        yield f"| {link(prop.name)} | {part} | {len(caught)}{first} |"
    yield ""
    yield f"The other {len(implied)} are readings of those, or of each other: where they hold for every loss and"
    yield "tangent, so does the reading. None of the defects that were planted is caught by one of them alone.\n"
    yield "| reading | implied by |"
    yield "|---|---|"
    for prop in implied:
        yield f"| {link(prop.name)} | {', '.join(map(link, prop.consequence_of))} |"
    yield ""
