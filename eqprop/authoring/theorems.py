"""The statements as theorems: what each needs, what is the paper's, and what follows from which."""

from __future__ import annotations

from collections.abc import Iterator

from eqprop.properties import LIBRARY, PAPER, Property

ASSUMPTIONS = """\
What a referee asks of an identity, said once for all of them:

- **Smoothness.** "C²" says that f, the actions K, T and X and, where a loss is in the formula, ℓ have two continuous
  derivatives near the point, in the variables that the formula differentiates. A network with kinks (ReLU, max, sort)
  has them near all points but a set of measure zero. The statements are about the point's own piece; a perturbed copy
  on another piece makes the floor so large that the probe settles nothing. Along a segment or a trajectory an integral
  may cross kinks: the error of its quadrature is part of the floor, or nothing is claimed there.
- **The identity's component.** What is said of generators is the derivative of what is said of elements. Conversely,
  J k_ξ + ∂ₓf χ_ξ = τ_ξ(f) for all ξ and at all points gives f(K_g θ, X_g x) = T_g f(θ, x) for the products of
  exponentials, which are the identity's component of the group; only `group-laws` and `equivariance` (and what is said
  of elements) say anything of reflections, permutations and signs.
- **DK.** A group acts by bijections, K_g⁻¹ is the action of the inverse, so that DK_g is invertible and what is said of
  DKᵀ∇L(K_gθ) determines the gradient at K_gθ ("invertible"). A conversion to another model may map to more or to fewer
  parameters ("any"): the statement is then about what DKᵀ lets through, and a cokernel of DK is not seen.
- **T on the image of f.** T_g, DT_g and τ_ξ are used at outputs f(θ, x), and DT_g along the image of J. Two T that
  agree there to the statement's order are the same claim; of outputs that the model never gives nothing is said.
- **Loss.** A statement with ℓ∘T_g or s_ξ on one side holds for every loss of that smoothness; others ask that T leaves
  the loss, which their sections say ("applies"), with all other hypotheses. Where T leaves it along some ξ only, these
  are a subalgebra: generators are taken from it, and elements from the connected subgroup that it generates.
"""

FINITE = frozenset({"identical-units", "fixed-jacobian", "isotypic-blocks"})
"""Are about a finite subgroup that leaves the point where it is, and take its elements from the transformation."""


def theorems() -> Iterator[str]:
    """The lines of the two sections."""
    yield "## What each statement needs\n"
    yield ASSUMPTIONS
    yield "| statement | f is | about | DK | in the paper's abstract |"
    yield "|---|---|---|---|---|"
    for prop in LIBRARY:
        cells = (f"[`{prop.name}`](#{prop.name})", smoothness(prop), elements(prop), linear_part(prop), origin(prop))
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "## What follows from which\n"
    yield "Boxes are implied by no others; an arrow goes from what implies to what is implied.\n"
    yield "```mermaid"
    yield from graph()
    yield "```\n"


def smoothness(prop: Property) -> str:
    """How often f is differentiable, and what more an ordinary differential equation or a mixed derivative asks."""
    return prop.smooth or (f"C{'⁰¹²³⁴⁵⁶'[prop.order]}" if prop.order else "any")


def elements(prop: Property) -> str:
    """What of the group the statement is about."""
    if prop.name in FINITE:
        return "a finite subgroup that fixes θ"
    if "involution" in prop.needs:
        return "an involution that fixes θ"
    if "element" in prop.needs:
        return (
            "each element"
            if prop.subgroup is None
            else f"each element, or the connected subgroup that {prop.subgroup.what}"
        )
    return "generators: the identity's component" if "continuous" in _hypotheses(prop) else "f alone"


def linear_part(prop: Property) -> str:
    """What is asked of DK."""
    asked = _hypotheses(prop)
    if elements(prop) == "f alone":
        return "–"
    if asked & {"orthogonal_action", "orthogonal_elements"}:
        return "orthogonal"
    if "coisometric" in asked:
        return "DK DKᵀ = 1"
    return "invertible" if "one_model" in asked else "any"


def _hypotheses(prop: Property) -> set[str]:
    return {hypothesis.__name__ for hypothesis in prop.hypotheses}


def origin(prop: Property) -> str:
    """What the abstract has of it."""
    if prop.source.startswith("the premise"):
        return "yes"
    if PAPER in prop.source and "beyond" not in prop.source:
        return "its kind; the formula is derived here"
    return "no: see its source"


def graph() -> Iterator[str]:
    """A Mermaid drawing: which properties imply which."""
    yield "flowchart LR"
    for prop in LIBRARY:
        left, right = ("(", ")") if prop.consequence_of else ("[", "]")
        yield f"  {_node(prop.name)}{left}{prop.name}{right}"
    for prop in LIBRARY:
        yield from (f"  {_node(above)} --> {_node(prop.name)}" for above in prop.consequence_of)


def _node(name: str) -> str:
    """A name that Mermaid takes: "end" inside a name, or a hyphen, is its own."""
    return name.replace("-", "_") + "_"
