"""What is wrong with a model's functions: apply, its derivative, loss and domain, each tried at the example."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.arguments import got, short
from eqprop.claims import Inputs, Model, Outputs, Params
from eqprop.engine import (
    ARRAYS,
    PURE,
    Tree,
    equal,
    explained,
    gradient,
    is_floating,
    leaf_paths,
    not_repeatable,
    numbers,
    repeatable,
    undisturbed,
    unexpected,
)
from eqprop.errors import InvalidInput, NotDifferentiable
from eqprop.probes import gaussian
from eqprop.validation.actions import check_alike

STATELESS = f"switch dropout off (deterministic=True, inference mode), pass random keys among the inputs, {PURE}"


def check_model(model: Model, params: Params, inputs: Inputs, *, finite: bool) -> Tree:
    """The outputs at the example, once they are known to be real arrays, finite and repeatable.

    Raises:
        InvalidInput: naming the model, what it did, what was expected, and how to mend it.
    """
    what = f"model {model.name!r}: apply"

    def apply(params: Params, inputs: Inputs) -> Tree:
        outputs = undisturbed(what, model.apply, params, inputs)
        _check_outputs(model, outputs)
        return outputs

    call = repeatable(what, f"{what}(params, inputs)", STATELESS, apply, params, inputs)
    outputs = call()
    if finite:
        _check_finite(model, params, inputs, outputs)
    _check_loss(model, outputs, finite=finite)
    return outputs


def _check_outputs(model: Model, outputs: Outputs) -> None:
    what = f"model {model.name!r}: apply"
    leaves = jax.tree.leaves(outputs)
    if not leaves:
        msg = f"{what} returned {outputs!r}; expected at least one floating-point array. Return the outputs."
        raise InvalidInput(msg)
    for path, leaf in zip(leaf_paths(outputs), leaves, strict=True):
        if not isinstance(leaf, ARRAYS):
            msg = f"{what} returned {got(leaf)} as output {path!r}; expected an array."
            raise InvalidInput(msg)
        if not is_floating(leaf):
            msg = (
                f"{what}: output {path!r} has dtype {jnp.result_type(leaf)}; eqprop verifies real differentiable "
                "outputs. Return only floating-point ones (logits, not classes; real and imaginary parts apart)."
            )
            raise InvalidInput(msg)
        if np.size(leaf) == 0:
            msg = (
                f"{what}: output {path!r} has shape {np.shape(leaf)}: there is nothing to compare. Give inputs a "
                "batch of at least 1, and layers a width of at least 1."
            )
            raise InvalidInput(msg)


def _check_finite(model: Model, params: Params, inputs: Inputs, outputs: Outputs) -> None:
    for path, leaf in zip(leaf_paths(outputs), jax.tree.leaves(outputs), strict=True):
        if np.isfinite(numbers(leaf)).all():
            continue
        sizes = [float(np.abs(numbers(leaf)).max(initial=0.0)) for leaf in jax.tree.leaves((params, inputs))]
        msg = (
            f"model {model.name!r}: output {path!r} is NaN or infinite at the example parameters and inputs, whose "
            f"largest number is {max(sizes, default=0.0):.3g}. Pass an example at which the model is finite."
        )
        raise InvalidInput(msg)


def why_no_derivative(model: Model, params: Params, inputs: Inputs) -> str:
    """Why there is no first derivative of a model that has outputs; empty where there is."""
    leaves = model.param_leaves
    kept = leaves.rest(params)

    def total(floats: Tree) -> Tree:
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(model.apply(leaves.join(floats, kept), inputs)))

    try:
        jax.eval_shape(gradient(total), leaves.split(params))
    except NotDifferentiable as error:
        return str(error)  # who evaluates the model says so, and what to do
    except Exception as error:  # noqa: BLE001 - whatever JAX raises of a model that can be evaluated
        return (
            f"model {model.name!r}: JAX has no derivative of apply ({unexpected(error)}). Every property beyond the "
            "premise needs one: use lax.scan (or fori_loop with fixed bounds) for loops, and give kernels a "
            "jax.custom_vjp."
        )
    return ""


def _check_loss(model: Model, outputs: Outputs, *, finite: bool) -> None:
    if model.loss is None:
        return
    what = f"model {model.name!r}: loss"

    def loss(outputs: Outputs) -> Tree:
        value: object = undisturbed(what, model.loss, outputs) if model.loss is not None else None
        if not isinstance(value, ARRAYS) or np.shape(value) != () or not is_floating(value):
            found = (
                f"shape {np.shape(value)}, dtype {jnp.result_type(value)}"
                if isinstance(value, ARRAYS)
                else short(value)
            )
            msg = f"{what} returned {found}; expected one floating-point number. Average or sum over the batch."
            raise InvalidInput(msg)
        return value

    value = repeatable(what, f"{what}(outputs)", "fix its targets", loss, outputs)()
    if finite and not np.isfinite(numbers(value)).all():
        msg = f"{what} is {float(value)} at the example outputs; expected a finite number. Check its targets."
        raise InvalidInput(msg)


DRAWS = 4
"""Points that ``domain`` is tried at, with a leading axis as in a search."""


def check_domain(model: Model) -> None:
    """``domain`` keeps the tree and its leading axis, repeats itself, and gives finite numbers for any real ones.

    Raises:
        InvalidInput: naming the parameter that it does otherwise with.
    """
    if model.domain is None:
        return
    what, leaves, domain = f"model {model.name!r}: domain", model.param_leaves, model.domain

    def drawn() -> Tree:
        rng = np.random.default_rng(0)
        floats = tuple(gaussian(rng, (DRAWS, *shape)) for shape in leaves.float_shapes)
        return leaves.join(floats, leaves.carried)

    with np.errstate(all="ignore"):
        once, again = (explained(f"{what}(params)", lambda: domain(drawn())) for _ in range(2))
    check_alike(what, drawn(), once, remedy="Each parameter has a leading axis of probes: map every number by itself")
    if not equal(once, again):
        raise InvalidInput(not_repeatable(what, "take no random numbers"))
    for path, leaf in zip(leaves.float_paths, leaves.split(once), strict=True):
        if not np.isfinite(numbers(leaf)).all():
            msg = (
                f"{what} gives NaN or infinite numbers for {path!r} at some real ones; map all of them into the set "
                "where the model is defined (np.abs, np.exp, …)."
            )
            raise InvalidInput(msg)
