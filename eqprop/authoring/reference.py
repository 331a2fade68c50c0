"""The reference of all properties, docs/properties.md, from what the code says of them.

``facts`` is the one source of what is said of a property, here and by ``eqprop explain``. The page is written by

    python -m eqprop.authoring.properties_page > docs/properties.md
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator

from eqprop.authoring.independence import independence, link, links
from eqprop.authoring.kills import Kill, kills
from eqprop.authoring.theorems import theorems
from eqprop.profiles import PROFILES
from eqprop.properties import HIGHER, LIBRARY, Property
from eqprop.registry import entries
from eqprop.search import COSTLY_EVERY

COMMAND = "python -m eqprop.authoring.properties_page > docs/properties.md"

MOST_NAMED = 3
"""How many mutants are named of those that others catch, too."""

SYMBOLS = (
    ("θ, x", "parameters and inputs, both trees of arrays; x is a batch"),
    ("f(θ, x)", "the outputs of the model; J = ∂f/∂θ, Df and D²f are its derivatives in θ"),
    ("ℓ, L", "the loss as a function of the outputs, targets inside, and L(θ) = ℓ(f(θ, x)); ∇L its gradient in θ"),
    ("H, GGN", "the Hessian of L in θ, and the Gauss–Newton matrix Jᵀ ∇²ℓ J"),
    ("g, e", "an element of the group (where g = ∇L_B + λθ is written, that), and the identity"),
    (
        "K_g, T_g, X_g",
        "the actions on parameters, outputs and inputs; DK, D²K are derivatives in θ; T = id: a symmetry",
    ),
    ("ξ, [ξ,η]", "an element of the Lie algebra of a continuous group; the bracket of two"),
    ("k_ξ, τ_ξ, χ_ξ", "the generators: d/dt of K_exp(tξ) θ, T_exp(tξ) y and X_exp(tξ) x at t = 0"),
    ("s_ξ", "⟨∇ℓ, τ_ξ⟩, the rate at which T changes the loss; 0 for a symmetry"),
    ("A", "Dk_ξ, where k_ξ is affine in θ"),
    ("Q, N", "the charge, ∇Q_ξ = k_ξ, where A = Aᵀ; the momentum ⟨v, k_ξ⟩ of a velocity v"),
    ("λ, β, γ", "weight decay, what a heavy-ball step keeps of v, friction; λ_max and λ_min are eigenvalues of H"),
    ("u, v, w", "random directions: tangents in θ (v is also a velocity), a cotangent on the outputs"),
    (
        "B, Δ",
        "a batch of samples, L_B and s_B likewise for its loss; K_gθ − θ, or the change of a charge in front of Q",
    ),
    ("p, c", "the degree of a homogeneous model; the rate of one that a translation multiplies"),
)


def facts(prop: Property) -> dict[str, str]:
    """What is said of a property, by label, in lines; empty where there is nothing to say."""
    return {
        "claim": prop.statement,
        "formula": prop.formula,
        "applies": "\n".join(_applies(prop)),
        "rests on": ", ".join(prop.rests_on),
        "derivation": prop.derivation,
        "implied by": ", ".join(prop.consequence_of),
        "source": prop.source,
        "judged": f"on one batch in {COSTLY_EVERY}, and on few probes: costly" if prop.costly else "",
        "kills": "\n".join(_kills(prop, kills())),
    }


def _applies(prop: Property) -> Iterator[str]:
    hypotheses = [(h.__doc__ or h.__name__).splitlines()[0].removeprefix("Hypothesis: ") for h in prop.hypotheses]
    yield f"where {'; '.join(text.rstrip('.') for text in hypotheses)}" if hypotheses else "to every pair"
    if prop.reason_if_vacuous:
        yield f"not where {prop.reason_if_vacuous}"


def alone(prop: Property, matrix: Iterable[Kill]) -> list[Kill]:
    """The mutants that only this property catches."""
    return [kill for kill in matrix if kill.falsified == (prop.name,)]


def first(prop: Property, matrix: Iterable[Kill]) -> list[Kill]:
    """The mutants that no property before it catches, consequences aside."""
    return [kill for kill in matrix if kill.first == prop.name]


def _kills(prop: Property, matrix: tuple[Kill, ...]) -> Iterator[str]:
    """How many mutants a property catches, and those that tell what it is good for."""
    if prop.name in HIGHER:
        yield "not in the kill matrix: verified only where it is asked for by name"
        return
    caught = [kill for kill in matrix if prop.name in kill.falsified]
    count = f"{len(caught)} of {len(matrix)} mutants"
    only, earliest = alone(prop, matrix), first(prop, matrix)
    if only:
        yield f"{count}; only it catches:"
        yield from map(_named, only)
    elif prop.consequence_of:
        yield f"{count}; a consequence of {' and '.join(prop.consequence_of)}: no mutant is caught by it alone"
    elif earliest:
        among = ", among them" if len(earliest) > MOST_NAMED else ""
        yield f"{count}; no property before it catches {len(earliest)}{among}:"
        yield from map(_named, earliest[:MOST_NAMED])
    else:
        yield f"{count}; a property before it catches each of them, too" if caught else count


def _named(kill: Kill) -> str:
    mutants = {mutant.name: mutant for mutant in entries()[kill.entry].mutants} if kill.entry in entries() else {}
    why = f": {mutants[kill.mutant].why}" if kill.mutant in mutants else ""
    return f"{kill.entry}[{kill.mutant}]{why}"


# -- the page ---------------------------------------------------------------------------------------------------------


def reference() -> str:
    """The whole of docs/properties.md."""
    return "\n".join([*_introduction(), *_contents(), *independence(), *theorems(), *_notation(), *_families()])


def _introduction() -> Iterator[str]:
    yield f"""\
<!-- Written by `{COMMAND}` from the code. Do not edit: change the property. -->

# Properties

Each property is a statement with two sides that are computed from different derivatives and compared in rounding
floors. `eqprop explain NAME` shows the same of one property.

- **Order** is that of the highest derivative of the model that the statement is about; 0 is the premise.
  {_higher()}
- **Not applicable** is a property whose hypotheses ("applies") the pair does not meet, with the reason. A hypothesis
  may also be on the point: then the property does not apply where no point that was drawn met it ("not where").
- **Nearly a symmetry** is a transformation that says how far it is off (`defect=`): what rests on `equivariance`, and
  that itself, does not apply to it.
- **Blocked** is a property that rests on a falsified one: it is not implied any more, so nothing is said of it.
- **Implied by**: these properties together imply it, so that no defect is caught by it alone. It is verified because
  it says in one line what they mean for its case.
- **Kills** are defects that were planted in the catalog's pairs: `entry[mutant]`. On each the properties up to its
  order were judged, blocked or not; the costly ones and those of higher orders on a part. "Before" is meant in the
  order of this page's contents, those that others imply last.
- **Costly** properties run a trajectory, a quadrature or a Krylov space. They are judged on one batch in
  {COSTLY_EVERY}, beginning with the second, up to a number that the profile sets (of a large model on one).
- Of the **architectures** of a search all are judged at order 0, and some at the first order or in full, which takes
  longer to compile; in full, too, where one is drawn again. A property that compared nothing yet is judged again:
"""
    yield (
        "| profile | architectures | of these to first order | in full | probes on each "
        "| batches for costly properties | probes on each of these |"
    )
    yield "|---|---|---|---|---|---|---|"
    for p in PROFILES.values():
        judged = f"{p.architectures} | {p.first_order} | {p.second_order} | {p.probes}"
        yield f"| `{p.name}` | {judged} | at most {p.costly_batches} | {p.costly_probes} |"
    yield ""


def _higher() -> str:
    names = [f"`{name}`" for name in HIGHER]
    return f"{', '.join(names)} go on from `third-order`, and are verified where they are asked for by name."


def _contents() -> Iterator[str]:
    yield "## Contents\n"
    for order in sorted({prop.order for prop in LIBRARY}):
        yield f"- Order {order}: {links(prop for prop in LIBRARY if prop.order == order)}"
    yield ""


def _notation() -> Iterator[str]:
    yield "## Notation\n"
    yield "| symbol | meaning |"
    yield "|---|---|"
    elements, steps = _eta()
    for symbol, meaning in SYMBOLS:
        yield f"| {symbol} | {meaning} |"
    yield f"| η | a second element of the Lie algebra in {elements}; the step size in {steps} |"
    yield ""


def _eta() -> tuple[str, str]:
    """Where η is an algebra element, and where it is a step size."""
    using = [prop for prop in LIBRARY if "η" in prop.formula]
    groups = ([p for p in using if "algebra2" in p.needs], [p for p in using if "algebra2" not in p.needs])
    elements, steps = map(links, groups)
    return elements, steps


def _families() -> Iterator[str]:
    """The modules of ``eqprop.properties``, each at the place of its first property."""
    families: dict[str, list[Property]] = {}
    for prop in LIBRARY:
        families.setdefault(prop.sides.__module__, []).append(prop)
    for module, members in families.items():
        title, _, rest = (sys.modules[module].__doc__ or module).partition("\n")
        yield f"## {title.rstrip('.')}\n"
        if rest.strip():
            yield rest.strip().replace("``", "`") + "\n"
        for prop in members:
            yield from _section(prop)


def _section(prop: Property) -> Iterator[str]:
    said = facts(prop)
    yield f"### {prop.name}\n"
    yield f"Order {prop.order}: {said.pop('claim')}.\n"
    yield f"```text\n{said.pop('formula')}\n```\n"
    yield f"Derivation:\n\n```text\n{said.pop('derivation')}\n```\n"
    for label, text in said.items():
        if text:
            head, *others = text.splitlines()
            linked = _linked(head) if label in ("rests on", "implied by", "kills") else head
            yield f"- **{label}**: {linked}"
            yield from (f"  - {_marked(line)}" for line in others)
    yield ""


def _linked(text: str) -> str:
    """The text with every name of a property as a link to its section."""
    names = "|".join(re.escape(prop.name) for prop in LIBRARY)
    return re.sub(rf"(?<![\w-])({names})(?![\w-])", lambda found: link(found[1]), text)


def _marked(line: str) -> str:
    """A mutant's name as code: the part before the colon."""
    name, colon, why = line.partition(": ")
    return f"`{name}`{colon}{why}" if name.endswith("]") else line
