"""Finds out what a claim does not look at: derivatives are falsified, one tensor at a time, and who notices is noted.

All in one program: which tensor is falsified, and how, is an integer input of the model, 0 for none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from eqprop.claims import Inputs, Pair, Params
from eqprop.engine import Array, Precision, Tree, is_floating, leaf_paths, with_derivative
from eqprop.evaluation import Choice, Program, applicable, last_word
from eqprop.mutants import ramp
from eqprop.probes import Loss, Probe
from eqprop.properties import Property, by_name
from eqprop.results import Unseen
from eqprop.rounding import Judgement

OF_SYMMETRIES = ("jacobian-covariance", "gradient-covariance", "jacobian-generator", "noether")
"""The properties of first order that are judged at every probe and are not premises of calculus."""

OF_CALCULUS = ("derivative", "input-derivative", "hessian-symmetry", "hessian-integral")
"""The premises of calculus, which look at all derivatives where they are asked for."""

NONE, CONSTANT, GENERIC = 0, 1, 2
"""A derivative as it is, scaled by one factor, or by a factor for each entry that also depends on the entry."""

EACH = 4
"""Probes for each tensor and each kind."""

AFFORDED = 20_000_000
"""Numbers (probes · parameters) that may be gone through for this."""


def unseen(
    pair: Pair,
    properties: Sequence[Property],
    loss: Loss,
    precision: Precision,
    *,
    reverse_only: bool,
    seed: int,
    doubtful: Collection[str] = (),
    evaluator: Choice = "auto",
) -> Unseen | None:
    """What those of the properties that follow from the symmetry do not look at; None where none was asked for.

    Args:
        pair: whose properties hold.
        properties: that were asked for.
        loss: where the model has none of its own.
        precision: as in the search.
        reverse_only: whether the model is known to be reverse-only.
        seed: of the probes.
        doubtful: names of the properties of which the search cleared suspicions, and what seems to be noticed may be
            rounding, too. Their suspects go up the ladder; those of others are taken as they are.
        evaluator: as in the search.
    """
    asked = applicable(pair, [prop for prop in properties if prop.name in OF_SYMMETRIES])
    names = _names(pair)
    probes = 2 * EACH * len(names)
    if not asked or not names or probes * pair.model.param_leaves.size > AFFORDED:
        return None
    program = Program(
        _falsifiable(pair, len(names)),
        asked,
        loss,
        precision,
        evaluator=evaluator,
        reverse_only=reverse_only,
        probes=probes,
    )
    rng = np.random.default_rng(seed)
    cases = np.zeros((2, len(names), EACH, len(names)), np.int32)
    for kind in (CONSTANT, GENERIC):
        cases[kind - 1, np.arange(len(names)), :, np.arange(len(names))] = kind
    drawn = program.draw(rng, probes)
    inputs = {**drawn.inputs, "falsified": cases.reshape(probes, -1)}
    falsified = Probe(**{**vars(drawn), "inputs": inputs})
    by_kind = _noticed(program, falsified, program.judge(falsified, rng), rng, doubtful).reshape(2, len(names))
    factor, generic = by_kind[CONSTANT - 1], by_kind[GENERIC - 1]
    known = {prop.name for prop in properties}
    missing = [by_name(name) for name in OF_CALCULUS if name not in known]
    return Unseen(
        never=tuple(name for name, *seen in zip(names, generic, factor, strict=True) if not any(seen)),
        up_to_a_factor=tuple(n for n, g, f in zip(names, generic, factor, strict=True) if g and not f),
        of=len(names),
        unasked=tuple(prop.name for prop in applicable(pair, missing)),
        alone=known.isdisjoint(OF_CALCULUS),
    )


def _noticed(
    program: Program,
    probes: Probe,
    judged: dict[str, Judgement],
    rng: np.random.Generator,
    doubtful: Collection[str],
) -> np.ndarray:
    """Which cases, of ``EACH`` probes in a row, some property notices: those of no doubt first, which cost nothing."""
    suspect = {name: judgement.suspect.reshape(-1, EACH) for name, judgement in judged.items()}
    noticed = np.zeros(probes.count // EACH, dtype=bool)
    for name in suspect.keys() - set(doubtful):
        noticed |= suspect[name].any(axis=1)
    for name in (name for name in suspect if name in doubtful):
        for i in range(EACH):
            for case in np.flatnonzero(suspect[name][:, i] & ~noticed):
                at = np.array([case * EACH + i])
                noticed[case] = last_word(program, name, probes.at(at), rng).suspect[0]
    return noticed


def _names(pair: Pair) -> tuple[str, ...]:
    """The tensors that are differentiated: parameters and inputs."""
    inputs = zip(leaf_paths(pair.model.inputs), jax.tree.leaves(pair.model.inputs), strict=True)
    named = ["the inputs" if path == "." else f"the inputs {path}" for path, leaf in inputs if is_floating(leaf)]
    return (*pair.model.param_leaves.float_paths, *named)


def _falsifiable(pair: Pair, count: int) -> Pair:
    """The pair with one more input: what is wrong with the derivative in each tensor."""
    model, t = pair.model, pair.transformation
    leaves = model.param_leaves

    def given(apply: Tree) -> Tree:
        return lambda params, inputs: apply(params, inputs["given"])

    def apply(params: Params, inputs: Inputs) -> Tree:
        kinds = iter(inputs["falsified"])

        def enter(leaf: ArrayLike) -> Tree:
            return _falsified(jnp.asarray(leaf), next(kinds)) if is_floating(leaf) else leaf

        floats = tuple(map(enter, leaves.split(params)))  # before the inputs: the order of the names
        return model.apply(leaves.join(floats, leaves.rest(params)), jax.tree.map(enter, inputs["given"]))

    def beside(inputs: Inputs) -> Tree:
        return {"falsified": np.zeros(count, np.int32), "given": inputs}

    if t.moves_inputs:
        t = replace(t, on_inputs=lambda g, x, move=t.on_inputs: {**x, "given": move(g, x["given"])})
    target = pair.target and replace(pair.target, apply=given(pair.target.apply), inputs=beside(pair.target.inputs))
    return pair.replaced(
        model=replace(model, apply=apply, inputs=beside(model.inputs)), transformation=t, target=target
    )


def _derivative(x: Array, t: Array, kind: Tree) -> Tree:
    by_entry = jnp.asarray(ramp(x), x.dtype) * (1 + 0.5 * jnp.sin(x))
    off = jnp.where(kind == CONSTANT, 1, jnp.where(kind == GENERIC, by_entry, 0))
    return t * (1 + 0.5 * off).astype(t.dtype)


_falsified = with_derivative(_derivative)
