"""Graph networks and sets: hidden features as in any network, and nodes that may be listed in any order."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import hidden_units
from eqprop.claims import Inputs, Pair, Transformation, unmoved
from eqprop.engine import Array
from eqprop.groups import Element
from eqprop.mutants import Mutant, bent_outputs, forgets, scaled_outputs, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.activations import LEAKY_RELU, SOFTPLUS, TANH, homogeneous_activations, nonlinear_activations
from eqprop.strategies.domains import domain, moderate, told_apart
from eqprop.strategies.graphs import Graph, GraphKind, graphs, rows_moved

APART = domain(all=moderate, w=told_apart)
NETWORKS: tuple[GraphKind, ...] = ("gcn", "gin")
SECOND = "second order after Yang & Ziyin (2512.21447)"


@register(
    name="graph-rescaling",
    reference=f"own derivation, after the rescaling of ReLU units (Du, Hu & Lee 2018, arXiv 1806.00900); {SECOND}",
    action="(W_j, b_j) ↦ c_j (W_j, b_j), V_j ↦ V_j / c_j for each hidden feature, c_j > 0",
    generator="k_ξ = (ξ W, ξ b, −ξ V)",
    charge="‖W_j‖² + b_j² − ‖V_j‖² per feature",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("σ(cz) = c σ(z) for c > 0", "edges act on all features alike"),
    pitfalls="attention over edges that looks at the hidden features adds constraints",
    mutants=[*usual("w", "v"), forgets("b"), wrong_inverse("v")],
)
@st.composite
def graph_rescaling(draw: st.DrawFn) -> Pair:
    """The hidden features of a ReLU graph network may be rescaled as units of a dense one: edges do not mix them."""
    design = draw(graphs(NETWORKS, homogeneous_activations(), least_hidden=2, least_nodes=4))
    move = hidden_units(groups.Scaling(design.hidden), writes=design.writes, reads={"v": 0}, name="rescaling")
    return design.net().pair("graph-net", move, design.architecture, domain=APART)


@register(
    name="graph-permutation",
    reference=f"own derivation, after the permutation of neurons (Brea et al. 2019, arXiv 1907.02911); {SECOND}",
    action="(W, b, V) ↦ (W Pᵀ, P b, P V), P a permutation of the hidden features",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are permuted",
    hypotheses=("one activation for all hidden features",),
    pitfalls="not to be confused with permutations of nodes, which move the data",
    mutants=[*usual("w", "v", finite=True), forgets("b")],
)
@st.composite
def graph_permutation(draw: st.DrawFn) -> Pair:
    """The hidden features of a graph network may trade places if their writers and readers follow."""
    design = draw(graphs(NETWORKS, st.sampled_from((TANH, LEAKY_RELU, SOFTPLUS)), least_hidden=2))
    move = hidden_units(groups.Permutation(design.hidden), writes=design.writes, reads={"v": 0}, name="permutation")
    return design.net().pair("graph-net", move, design.architecture, domain=APART)


def _relisted(design: Graph) -> Transformation:
    """Nodes are listed in another order: X on edges and nodes, T on outputs of nodes, parameters stay."""

    def on_inputs(permutation: Element, graph: Inputs) -> Inputs:
        edges, nodes = rows_moved(permutation, graph["edges"], 0, 1), rows_moved(permutation, graph["nodes"], 0)
        return {"edges": edges, "nodes": nodes}

    def on_outputs(permutation: Element, y: Array) -> Array:
        return rows_moved(permutation, y, 0)

    outputs = unmoved if design.pooled else on_outputs
    return Transformation(
        groups.Permutation(design.nodes), unmoved, outputs, on_inputs, name="node-permutation", isometry=True
    )


def _edges_stay(pair: Pair) -> Pair:
    """X permutes the nodes' features and leaves the edges where they are."""
    move = pair.transformation

    def on_inputs(permutation: Element, graph: Inputs) -> Inputs:
        return {**move.on_inputs(permutation, graph), "edges": graph["edges"]}

    return pair.replaced(transformation=replace(move, on_inputs=on_inputs))


IN_OUTPUTS = tuple(m.only(lambda pair: pair.transformation.moves_outputs) for m in (scaled_outputs(), bent_outputs()))
"""Where nodes are summed up, a defect of their sum is the same in any order."""

DATA = {
    "generator": "none: the group is finite",
    "charge": "none: the group is finite, and parameters stay",
    "hessian": "∇L and H at permuted data are those at the data: K = id",
}


@register(
    name="graph-node-permutation",
    reference=f"Gilmer et al. 2017 (arXiv 1704.01212): invariance of message passing; {SECOND}",
    action="K = id; X: edges ↦ P edges Pᵀ, nodes ↦ P nodes; T = P on outputs of nodes, id on their sum",
    **DATA,
    hypotheses=("sums over neighbours and nodes",),
    pitfalls="positional encodings of nodes break it",
    mutants=[
        Mutant("edges-stay", 0, "X leaves the edges where they are", _edges_stay),
        *IN_OUTPUTS,
    ],
)
@st.composite
def graph_node_permutation(draw: st.DrawFn) -> Pair:
    """A graph network does not tell the order in which the nodes of a graph are listed."""
    design = draw(graphs(NETWORKS, nonlinear_activations(), least_nodes=3))
    return design.net().pair("graph-net", _relisted(design), design.architecture, domain=APART)


@register(
    name="scattering-permutation",
    reference=f"Gao, Wolf & Hirn 2019 (arXiv 1810.03068): geometric scattering; {SECOND}",
    action="K = id; X: edges ↦ P edges Pᵀ, nodes ↦ P nodes; T = P on outputs of nodes, id on their moments",
    **DATA,
    hypotheses=("wavelets made of the edges",),
    pitfalls="wavelets that are stored as matrices of their own do not follow",
    mutants=[Mutant("edges-stay", 0, "X leaves the edges where they are", _edges_stay), *IN_OUTPUTS],
)
@st.composite
def scattering_permutation(draw: st.DrawFn) -> Pair:
    """Scattering coefficients of a signal on a graph do not tell the order of the nodes."""
    design = draw(graphs(("scattering",), nonlinear_activations(), least_nodes=3))
    return design.net().pair("scattering", _relisted(design), design.architecture, domain=APART)
