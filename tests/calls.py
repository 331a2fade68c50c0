"""Every public function with arguments that it takes, for what is put in the place of each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox
import haiku
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen
from hypothesis import strategies as st

import eqprop
from eqprop import actions, conversions, groups, mutants, properties, registry, strategies
from eqprop.properties.parts import part
from eqprop.search import simplest

SHAPES = {"b": 3, "b2": 3, "c": 2, "s": (2, 2), "v": (3, 2), "w": (2, 3)}
PARAMS = {path: np.ones(shape) for path, shape in SHAPES.items()}
SCALING = groups.Scaling(3)
WRITES: Any = {"w": 1, "b": 0}
READS: Any = {"v": 0}
WEIGHTS = np.ones((2, 2))


def forward(p: Any, x: Any) -> Any:
    return (x @ p["w"] + p["b"][None]) @ p["v"]


def act(a: Any, p: Any) -> Any:
    return {**p, "w": p["w"] * a[None], "b": p["b"] * a, "v": p["v"] / a[:, None]}


MODEL = eqprop.Model(forward, PARAMS, np.ones((4, 2)), name="net")
MOVED = eqprop.Transformation(SCALING, act, name="moved")
PAIR = eqprop.Pair(MODEL, MOVED)


def moved(made: eqprop.Transformation) -> None:
    made.on_params(made.group.identity(), PARAMS)


def changed(change: Any) -> None:
    change(PARAMS["w"])


def broken(made: Any) -> None:
    for mutant in made if isinstance(made, tuple) else (made,):
        mutant.broken(PAIR)


def linear(x: Any) -> Any:
    return haiku.Linear(3)(x)


def drawn(made: Any) -> None:
    simplest(made)


def registered(decorate: Any) -> None:
    with registry.isolated():
        decorate(lambda: st.just(PAIR))


class Call(NamedTuple):
    """A public function with arguments that it takes, and what is done with what it gives."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    named: Mapping[str, Any] = {}
    then: Callable[[Any], Any] = id

    @property
    def places(self) -> list[int | str]:
        return [*range(len(self.arguments)), *self.named]

    def with_junk(self, place: int | str, junk: Any) -> Callable[[], Any]:
        arguments = [junk if at == place else value for at, value in enumerate(self.arguments)]
        named = {name: junk if name == place else value for name, value in self.named.items()}
        return lambda: self.then(self.function(*arguments, **named))


def a(function: Callable[..., Any], *arguments: Any, then: Callable[[Any], Any] = id, **named: Any) -> Call:
    return Call(function, arguments, named, then)


def sides(point: Any) -> Any:
    return (part(("a",), jnp.ones(2), jnp.ones(2)),)


of_runs: dict[str, Any] = {"seed": 0, "precision": "float64", "save": None, "optimizer": None, "max_time": None}
of_runs |= {"profile": "quick", "evaluator": "auto", "max_architectures": 1, "probes": 1, "unseen": False}
of_runs |= {"properties": ["equivariance"]}
BATCH = np.ones((4, 2), np.float32)
of_modules: dict[str, Any] = {"loss": None, "name": "n", "differentiate_state": False}
ABOUT = dict.fromkeys(("action", "generator", "charge", "hessian", "hypotheses", "pitfalls", "reference"), "")
NUMBERS = {"params": PARAMS, "inputs": np.ones((4, 2)), "element": np.ones(3)}

CALLS = [
    a(eqprop.Model, forward, PARAMS, np.ones((4, 2)), loss=None, name="n", trained=True, domain=None, state=()),
    a(eqprop.Transformation, SCALING, act, on_outputs=None, on_inputs=None, name="t", side="left", isometry=False),
    a(eqprop.Transformation, SCALING, act, charge=None, defect=None),
    a(eqprop.Pair, MODEL, MOVED, target=None, name="p", architecture={}, known_failures={}, allow_inconclusive={}),
    a(eqprop.check, PAIR, "equivariance", loss="squared error", precision="float64", optimizer=None, **NUMBERS),
    a(eqprop.check_entry, "nonesuch", mutants=None, seed=0),
    a(eqprop.conversion, MODEL, MODEL, {k: k for k in PARAMS}, unused=(), checkpoint=None, name="c"),
    a(eqprop.entry, "spin-glass-flip"),
    a(eqprop.find, MODEL, declared=None, seed=0, prove=False, profile="quick"),
    a(eqprop.inspect, MODEL),
    a(eqprop.load, "catalog:spin-glass-flip", name="", structure=""),
    a(eqprop.parametrize, PAIR, **of_runs),
    a(eqprop.run, PAIR, on_progress=print, **of_runs),
    a(eqprop.verify, PAIR, **of_runs),
    a(properties.Property, "own", 1, "s", "f", sides, {"params"}, hypotheses=(), rests_on=(), costly=False),
    a(properties.by_name, "noether"),
    a(registry.Entry, "n", st.just(PAIR), statement="", mutants=(), control="", origin="", **ABOUT),
    a(registry.register, name="n", mutants=(), control="", **ABOUT, then=registered),
    # modules of other libraries
    a(
        eqprop.equinox.from_module,
        equinox.nn.Linear(2, 3, key=jax.random.key(0)),
        BATCH,
        state=None,
        key=None,
        **of_modules,
    ),
    a(eqprop.equinox.from_module, equinox.nn.Identity(), BATCH, per_sample=True, axis_name="batch"),
    a(eqprop.flax.from_module, linen.Dense(3), BATCH, variables=None, rngs=None, **of_modules),
    a(eqprop.haiku.from_module, linear, BATCH, params=None, state=None, rng=None, **of_modules),
    # actions
    a(actions.attention_heads, 1, 3, queries=WRITES, keys=READS, rotary=None, group=None, name="a", then=moved),
    a(actions.attention_heads, 1, 3, values=WRITES, outputs=READS, then=moved),
    a(actions.bias_shift, 3, bias="b", reads={"v": (0, "c")}, name="a", then=moved),
    a(actions.channels, 3, writes=WRITES, reads=READS, group=None, power=1, name="a", then=moved),
    a(actions.combined, MOVED, name="a", then=moved),
    a(actions.experts, 3, axes=WRITES, name="a", then=moved),
    a(actions.exponential_shift, 3, bias="b", reads=READS, name="a", then=moved),
    a(actions.exchanged, ("w",), ("s",), name="a", then=moved),
    a(actions.factor_swap, 3, {"b": ("b2", 0)}, name="a", then=moved),
    a(actions.half_periods, 3, bias="b", reads=READS, half_period=1.0, name="a", then=moved),
    a(actions.joint_shift, 3, {1.0: {"b": 0}, -1.0: {"b2": 0}}, name="a", then=moved),
    a(actions.glu, 3, up=WRITES, down=READS, gate=None, group=None, name="a", then=moved),
    a(actions.hidden_units, SCALING, writes=WRITES, reads=READS, power=1, name="a", then=moved),
    a(actions.low_rank, 3, writes=WRITES, reads=READS, group=None, name="a", then=moved),
    a(actions.norm_gain, 3, gains={"b": 0}, reads=READS, name="a", then=moved),
    a(actions.norm_scale, 3, writes=WRITES, epsilon=None, name="a", then=moved),
    a(actions.residual_stream, 3, writes=WRITES, reads=READS, norm="none", params=PARAMS, name="a", then=moved),
    a(
        actions.scaled_units,
        3,
        powers={1: {"w": 1}, -1: {"v": 0}},
        logarithms={1: {"b": 0}},
        origins={"w": -1},
        copies=None,
        name="a",
        then=moved,
    ),
    a(actions.sigmoid_mirror, 3, writes=WRITES, reads={"v": (0, "c")}, name="a", then=moved),
    a(actions.skip_mirror, 3, writes={"w": (1, "s"), "b": (0, "c")}, reads=("v", 0), name="a", then=moved),
    a(actions.softmax_shift, PARAMS, {"w": 1}, name="a", then=moved),
    a(actions.states, SCALING, inputs=WRITES, outputs=READS, recurrent=None, name="a", then=moved),
    a(actions.translations, PARAMS, {"w": 1}, name="a", then=moved),
    # layouts
    a(conversions.folded_bias, 1e-5, then=lambda c: c(*[np.ones(2)] * 5)),
    a(conversions.folded_kernel, 1e-5, -1, then=lambda c: c(WEIGHTS, np.ones(2), np.ones(2))),
    a(conversions.fused, 0, then=changed),
    a(conversions.fused_by_head, 1, 0, then=changed),
    a(conversions.merged, 1.0, then=lambda c: c(WEIGHTS, WEIGHTS, WEIGHTS)),
    a(conversions.permuted, 1, 0, then=changed),
    a(conversions.rotary_halves, 1, 0, then=changed),
    a(conversions.rotary_interleaved, 1, 0, then=changed),
    a(conversions.split_heads, 3, -1, then=changed),
    a(conversions.transposed, WEIGHTS),
    # groups, without what the tests check of shapes in annotations
    *(
        a(getattr(groups, name), 3)
        for name in ("Cyclic", "Dihedral", "FixingOnes", "GeneralLinear", "Integers", "Monomial", "Orthogonal")
    ),
    *(a(getattr(groups, name), 3) for name in ("Permutation", "Rotation", "Scaling", "Sign", "SignedPermutation")),
    a(groups.ComplexLinear, 2, layout="halves"),
    a(groups.ComplexScaling, 2, layout="halves"),
    a(groups.DirectSum, SCALING, groups.Scaling(2)),
    a(groups.DiscretePower, groups.Sign(2), 2),
    a(groups.DiscreteProduct, (groups.Sign(2),)),
    a(groups.Power, SCALING, 2),
    a(groups.Product, SCALING, groups.Scaling(2)),
    a(groups.Translation, 3),
    a(inspect.unwrap(groups.along), np.ones(3), np.ones((2, 3)), 1),
    a(groups.check_form, SCALING),
    a(groups.check_laws, "Scaling(3)", seed=0, count=2),
    a(groups.involutions, SCALING),
    a(inspect.unwrap(groups.multiply_along), np.ones((3, 3)), np.ones((2, 3)), 1),
    # mutants
    a(mutants.Mutant, "m", 0, "w", lambda p: p, then=broken),
    *(a(getattr(mutants, n), "w", name="m", then=broken) for n in ("backward_drops_term", "forgets", "forgets_part")),
    *(a(getattr(mutants, n), "w", name="m", then=broken) for n in ("stopped", "wrong_axis", "wrong_inverse")),
    *(a(getattr(mutants, n), "w", 1e-3, name="m", then=broken) for n in ("backward_bends", "backward_scales")),
    *(a(getattr(mutants, n), "w", 1e-3, name="m", then=broken) for n in ("leaks_into", "mixes_logarithm", "slips")),
    *(a(getattr(mutants, n), "w", 1e-3, name="m", then=broken) for n in ("scaled_gradient", "wrong_power")),
    *(a(getattr(mutants, n), "w", 1e-3, name="m", then=broken) for n in ("backward_straight_through",)),
    a(mutants.second_derivative, "w", 1e-3, alike=False, name="m", then=broken),
    a(mutants.straight_through, "w", 1e-3, alike=False, name="m", then=broken),
    a(mutants.third_derivative, "w", 1e-3, name="m", then=broken),
    *(a(getattr(mutants, n), 1e-3, name="m", then=broken) for n in ("bent_outputs", "scaled_outputs", "scales_all")),
    *(a(getattr(mutants, n), 1e-3, name="m", then=broken) for n in ("scales_apart", "turns_gradient")),
    *(a(getattr(mutants, n), 1e-3, name="m", then=broken) for n in ("scales_cotangent_of_inputs",)),
    *(a(getattr(mutants, n), 1e-3, name="m", then=broken) for n in ("scales_second_derivative", "turns_sensitivity")),
    *(a(getattr(mutants, n), 1e-3, name="m", then=broken) for n in ("slides_along_orbit", "understates_defect")),
    *(a(getattr(mutants, n), name="m", then=broken) for n in ("claims_isometry", "masks_small", "misstates_charge")),
    a(mutants.misapplies, "w", lambda g, e: e, name="m", why="w", then=broken),
    a(mutants.misapplies_to_outputs, lambda g, e: e, name="m", why="w", then=broken),
    a(mutants.usual, "w", "v", finite=False, then=broken),
    a(mutants.usual_of_shifts, "w", then=broken),
    # strategies
    a(strategies.algebra_elements, SCALING, then=drawn),
    a(strategies.batches, 1, then=drawn),
    a(strategies.elements, SCALING, farthest=1.0, then=drawn),
    a(strategies.families, MODEL, then=drawn),
    a(strategies.homogeneous_activations, 1, then=drawn),
    a(strategies.inputs, MODEL, then=drawn),
    a(strategies.losses, ((2,),), then=drawn),
    a(strategies.parameters, MODEL, then=drawn),
    a(strategies.widths, 1, 3, then=drawn),
]

WRITTEN_BY_EQPROP = {"Case", "Cell", "Counterexample", "Outcome", "Point", "Probe", "Report", "Row", "Verdict"}
"""What users get and do not make."""

OF_FUNCTIONS = {
    "Activation": "a record of functions of one's own",
    "Block": "likewise",
    "Embedded": "likewise",
    "acting_otherwise": "takes a rule of one's own",
    "conjugate": "takes what the strategies of the catalog draw",
    "conjugates": "likewise",
    "dense_net": "likewise",
    "embedded": "likewise",
    "entering_through": "takes an operation of one's own",
    "hidden_layer": "likewise",
    "irregular": "a part of a property's sides",
    "isolated": "a context of tests",
    "leaf_at": "a part of a mutant's rule",
    "ramp": "likewise",
    "slug": "likewise",
    "segment_length": "a part of a property's sides",
    "straight_model": "likewise",
    "with_backward": "takes a derivative of one's own",
    "with_derivative": "likewise",
    "with_leaf": "a part of a mutant's rule",
}
"""Public names that take code, which is looked at where it is used, and why."""


def called(call: Call) -> str:
    return call.function.__name__
