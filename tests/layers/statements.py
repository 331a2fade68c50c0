"""What the libraries' tables of layers share: inputs, types of numbers, and what a verdict must say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import eqprop
from eqprop.engine import Precision, leaf_paths
from eqprop.mutants import (
    Mutant,
    acting_otherwise,
    backward_drops_term,
    entering_through,
    forgets,
    leaf_at,
    with_backward,
)
from eqprop.profiles import PROFILES
from eqprop.properties import CORE, Property, by_name
from eqprop.results import Outcome, Verdict
from eqprop.search import Options, SearchTask, search

BATCH, D_IN, UNITS, D_OUT, TIME, HEADS, WIDTH, SIDE = 3, 2, 3, 2, 3, 2, 2, 6

BRIEF = PROFILES["gate"].budgeted(1, name="layers", examples=2)
"""One architecture, two losses or scales: what a library's layer computes is not drawn."""

_rng = np.random.default_rng(0)
FEATURES = _rng.standard_normal((BATCH, D_IN))
TOKENS = _rng.standard_normal((BATCH, TIME, D_IN))
IMAGES = _rng.standard_normal((1, SIDE, SIDE, D_IN))
WORDS = np.array([[0, 1, 2], [3, 1, 0]])
VOCABULARY = 4


@dataclass(frozen=True)
class Numbers:
    """The types of a model.

    Attributes:
        of_params: of parameters and inputs.
        inside: in which layers compute that can be told to; None leaves it to them.
    """

    of_params: Any
    inside: Any = None

    @property
    def precision(self) -> Precision:
        """In which it is verified."""
        return "float64" if self.of_params == np.float64 else "model"

    def options(self, accepted: Mapping[str, Any]) -> dict[str, Any]:
        """What a layer with these arguments is given."""
        given = {"param_dtype": self.of_params, "dtype": self.inside}
        return {name: value for name, value in given.items() if name in accepted}


NUMBERS = {
    "float64": Numbers(np.dtype(np.float64)),
    "float32": Numbers(np.dtype(np.float32)),
    "bfloat16": Numbers(np.dtype(jnp.bfloat16)),
    "float32 inside": Numbers(np.dtype(np.float64), np.dtype(np.float32)),
    "bfloat16 inside": Numbers(np.dtype(np.float64), np.dtype(jnp.bfloat16)),
}

Build = Callable[[Numbers], eqprop.Pair]
"""Makes a layer of the library and says its symmetry."""


@dataclass(frozen=True)
class Library:
    """What is claimed of a library's layers.

    Attributes:
        claims: by name: the classes that take part, a comma, and the symmetry.
        exported: the names of all classes of layers that the library has.
        out_of_scope: those of which nothing is claimed, each with the reason.
        told: whether layers can be told in which type they compute.
        scaled: a batch or layer norm with an ε of that size, of which it is claimed that there is none.
        stopping: the claims on layers that take a part of what they compute for a constant where they are
            differentiated, as spectral norms do with the vectors of their one power iteration.
    """

    claims: Mapping[str, Build]
    exported: frozenset[str]
    out_of_scope: Mapping[str, str]
    told: bool
    scaled: Callable[[float], eqprop.Pair]
    stopping: frozenset[str] = frozenset()

    @property
    def tested(self) -> frozenset[str]:
        """The classes of which something is claimed."""
        words = {word for claim in self.claims for word in claim.partition(",")[0].split()}
        return self.exported & words


def exported(module: Any, base: type) -> frozenset[str]:
    """The classes of layers that a module shows."""
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    return frozenset(n for n, v in public.items() if isinstance(v, type) and issubclass(v, base) and v is not base)


def model(apply: Callable[[Any, Any], Any], params: Any, inputs: Any, numbers: Numbers) -> eqprop.Model:
    """A model whose parameters and inputs have the type that is asked for."""
    params, inputs = (typed(tree, numbers) for tree in (params, inputs))
    return eqprop.Model(apply, params, inputs, name="layer", trained=False)


def typed(tree: Any, numbers: Numbers) -> Any:
    """Floating-point leaves in the type of the parameters."""

    def cast(leaf: Any) -> Any:
        return jnp.asarray(leaf, numbers.of_params) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    with jax.enable_x64(True):
        return jax.tree.map(cast, tree)


# -- what a search must say -------------------------------------------------------------------------------------------


def judged(pair: eqprop.Pair, properties: tuple[Property, ...], precision: Precision = "float64") -> dict[str, Verdict]:
    """Verdicts by the name of the property; none is an error."""
    options = Options(BRIEF, precision=precision, properties=properties, shrink=False)
    verdicts = {v.property.name: v for v in search(SearchTask("layer", st.just(pair)), options)}
    assert all(verdict.outcome is not Outcome.ERROR for verdict in verdicts.values()), verdicts
    return verdicts


def keeps(pair: eqprop.Pair, name: str, *, stops: bool = False) -> None:
    """What is claimed holds and compares something; in half precision it is at least never falsified, with a reason.

    Where the layer stops a derivative, it is that which is falsified, and nothing else.
    """
    numbers = NUMBERS[name]
    asked = CORE if name == "float64" else tuple(p for p in CORE if p.order < 2)
    verdicts = judged(pair, asked, numbers.precision)
    outcomes = {prop: (verdict.outcome, verdict.reason) for prop, verdict in verdicts.items()}
    accepted = {Outcome.HOLDS, Outcome.NOT_APPLICABLE}
    if stops and jnp.bfloat16 not in (numbers.of_params, numbers.inside):
        assert outcomes.pop("derivative")[0] is Outcome.FALSIFIED
    if jnp.bfloat16 in (numbers.of_params, numbers.inside):
        unsettled = {prop for prop, (outcome, reason) in outcomes.items() if outcome is Outcome.INCONCLUSIVE and reason}
        assert all(outcomes[prop][0] in accepted for prop in outcomes.keys() - unsettled), outcomes
        return
    assert all(outcome in accepted for outcome, _ in outcomes.values()), outcomes
    assert outcomes["equivariance"][0] is Outcome.HOLDS
    assert outcomes["gradient-covariance"][0] is Outcome.HOLDS


def forgetting_is_seen(pair: eqprop.Pair, name: str, *, part: bool) -> None:
    """The claim without one of its tensors, or without a number of it, is falsified by the premise."""
    path = last_moved(pair)
    broken = mutated(pair, forgets_a_number(path) if part else forgets(path))
    verdict = judged(broken, (by_name("equivariance"),), NUMBERS[name].precision)["equivariance"]
    assert verdict.outcome is Outcome.FALSIFIED, (path, verdict.outcome, verdict.reason)


def dropping_is_seen(pair: eqprop.Pair, name: str) -> None:
    """With a backward rule that drops a term the premise is not falsified, and a property of first order is."""
    asked = tuple(p for p in CORE if p.order < 2)
    path = last_moved(pair)
    mutant = drops_terms(path) if name == "bfloat16" else backward_drops_term(path)
    verdicts = judged(mutated(pair, mutant), asked, NUMBERS[name].precision)
    found = {prop: (verdict.outcome, verdict.reason) for prop, verdict in verdicts.items()}
    falsified = {by_name(prop).order for prop, (outcome, _) in found.items() if outcome is Outcome.FALSIFIED}
    assert falsified == {1}, (path, found)


def mutated(pair: eqprop.Pair, mutant: Mutant) -> eqprop.Pair:
    """The broken pair."""
    broken = mutant.change(pair)
    assert broken is not None, mutant
    return broken


def forgets_a_number(path: str) -> Mutant:
    """For shifts of a tensor as a whole, which may be left out: the last number is left alone."""

    def rule(pair: eqprop.Pair, element: Any, params: Any, p: str) -> Any:
        moved, kept = leaf_at(pair.transformation.on_params(element, params), p), leaf_at(params, p)
        last = (-1,) * jnp.ndim(kept)
        return jnp.asarray(moved).at[last].set(kept[last])

    return Mutant("forgets-a-number", 0, f"K leaves the last number of {path} alone", acting_otherwise(path, rule))


def drops_terms(path: str) -> Mutant:
    """For half precision, in which the first entry alone, of a reset gate say, may be less than three floors.

    Which entries are dropped is random: every other one of a row, say, may be the same ones in any order of the rows.
    """

    def derivative(x: Any, t: Any) -> Any:
        kept = np.random.default_rng(1).random(x.size) > 1 / 2
        kept[0] = False
        return t * kept.reshape(x.shape)

    why = f"a custom backward rule drops half of the entries of {path}"
    return Mutant("drops-terms", 1, why, entering_through(path, with_backward(derivative)))


def last_moved(pair: eqprop.Pair) -> str:
    """The path of the last tensor that K moves."""
    params = pair.model.params
    element = pair.transformation.group.sample(np.random.default_rng(1), 0.9)
    with jax.enable_x64(True):
        after = pair.transformation.on_params(element, params)
    before, after = (jax.tree.leaves(tree) for tree in (params, after))
    moved = [not np.array_equal(np.asarray(a, float), np.asarray(b, float)) for a, b in zip(before, after, strict=True)]
    return [path for path, moves in zip(leaf_paths(params), moved, strict=True) if moves][-1]


def breaks(pair: eqprop.Pair) -> float:
    """The premise is falsified; by how much, relative to the outputs."""
    options = Options(BRIEF, properties=(by_name("equivariance"),))
    (verdict,) = search(SearchTask("layer", st.just(pair)), options)
    assert verdict.outcome is Outcome.FALSIFIED, (verdict.outcome, verdict.reason)
    found = verdict.counterexample
    assert found is not None
    assert f"residual  {found.residual:.3g}" in str(found)
    return found.residual / max(abs(found.lhs), abs(found.rhs))


def growth(sizes: Mapping[float, float]) -> float:
    """The power with which a size grows with ε, from the smallest to the largest."""
    (low, least), (high, most) = min(sizes.items()), max(sizes.items())
    return float(np.log(most / least) / np.log(high / low))
