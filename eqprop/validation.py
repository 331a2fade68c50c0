"""What is wrong with a pair, said before anything is compiled: one sentence that names the thing and how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.casting import cast_example, cast_probe
from eqprop.errors import InvalidInput, NotDifferentiable
from eqprop.model import Model
from eqprop.pair import Pair
from eqprop.precision import Precision, numbers_context
from eqprop.probe import Probe
from eqprop.transformation import unmoved
from eqprop.trees import is_floating, leaf_paths
from eqprop.trial import ARRAYS, equal, not_repeatable, numbers, repeatable, said, short, unexpected


def check_pair(pair: Pair, precision: Precision) -> None:
    """Everything that must be true before a verdict means something.

    Each function is traced twice and compiled once: state shows between two traces, and op-by-op evaluation would
    compile every operation of the model by itself.

    Raises:
        InvalidInput: naming the part of the pair, what it did, what was expected, and how to mend it.
        NotDifferentiable: where JAX has no derivative of the model.
    """
    with numbers_context(precision):
        for model in {id(model): model for model in (pair.model, pair.image)}.values():
            _check_leaves(f"model {model.name!r}: input", model.inputs)
            _check_params(model)
        params, inputs = cast_example(pair, precision)
        # Where no example numbers are probed they need not lie where the model is defined.
        probed = pair.model.trained
        outputs = _check_model(pair.model, params, inputs, finite=probed)
        move_params = _check_action(pair, "on_params", params, precision)
        _check_action(pair, "on_outputs", outputs, precision)
        move_inputs = _check_action(pair, "on_inputs", inputs, precision)
        if pair.target is not None:
            found = _check_model(pair.target, move_params(), move_inputs(), finite=probed)
            _check_alike(f"target model {pair.target.name!r}: apply, beside the source model,", outputs, found)


# -- parameters and inputs -------------------------------------------------------------------------------------------


def _check_leaves(what: str, tree: Any) -> None:
    """Every leaf is an array or a number that JAX can trace, and no new-style random key."""
    for path, leaf in zip(leaf_paths(tree), jax.tree.leaves(tree), strict=True):
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            msg = (
                f"{what} {path!r} is a random key of dtype {leaf.dtype}, which cannot be copied into a batch of "
                "probes. Pass jax.random.key_data(key) and call jax.random.wrap_key_data(data) inside apply."
            )
            raise InvalidInput(msg)
        if not isinstance(leaf, ARRAYS) or np.asarray(leaf).dtype == object:
            msg = (
                f"{what} {path!r} is {short(leaf)} ({type(leaf).__name__}); expected an array or a number. Keep what "
                "is no number outside (for Equinox: params, static = eqx.partition(model, eqx.is_array))."
            )
            raise InvalidInput(msg)


def _check_params(model: Model) -> None:
    what = f"model {model.name!r}"
    _check_leaves(f"{what}: parameter", model.params)
    leaves = model.param_leaves
    if not leaves.paths:
        msg = f"{what}: params is an empty pytree; expected at least one floating-point array."
        raise InvalidInput(msg)
    for path, dtype in zip(leaves.paths, leaves.dtypes, strict=True):
        if jnp.issubdtype(dtype, jnp.complexfloating):
            msg = f"{what}: parameter {path!r} is {dtype}; split it into a real and an imaginary part."
            raise InvalidInput(msg)
    if not any(leaves.floating):
        kinds = ", ".join(sorted({str(dtype) for dtype in leaves.dtypes}))
        msg = (
            f"{what}: params has no floating-point leaf (dtypes: {kinds}): nothing to differentiate. Convert the "
            "weights."
        )
        raise InvalidInput(msg)
    if leaves.size == 0:
        shapes = ", ".join(f"{p}: {s}" for p, s in zip(leaves.float_paths, leaves.float_shapes, strict=True))
        msg = f"{what}: every parameter has zero size ({shapes}); give the layers a width of at least 1."
        raise InvalidInput(msg)
    for path, leaf in zip(leaves.float_paths, leaves.split(model.params), strict=True):
        if model.trained and not np.isfinite(numbers(leaf)).all():
            msg = f"{what}: the example parameter {path!r} has NaN or infinite entries; pass finite weights."
            raise InvalidInput(msg)


# -- models -----------------------------------------------------------------------------------------------------------


STATELESS = "switch dropout off (deterministic=True, inference mode), pass random keys among the inputs"


def _check_model(model: Model, params: Any, inputs: Any, *, finite: bool) -> Any:
    """The outputs at the example, once they are known to be real arrays, finite, repeatable, differentiable."""

    def apply(params: Any, inputs: Any) -> Any:
        outputs = model.apply(params, inputs)
        _check_outputs(model, outputs)
        return outputs

    what = f"model {model.name!r}: apply"
    call = repeatable(what, f"{what}(params, inputs)", STATELESS, apply, params, inputs)
    outputs = call()
    if finite:
        _check_finite(model, params, inputs, outputs)
    if not equal(outputs, call()):
        raise InvalidInput(not_repeatable(what, STATELESS))
    _check_differentiable(model, params, inputs)
    _check_loss(model, outputs, finite=finite)
    return outputs


def _check_outputs(model: Model, outputs: Any) -> None:
    what = f"model {model.name!r}: apply"
    leaves = jax.tree.leaves(outputs)
    if not leaves:
        msg = f"{what} returned {outputs!r}; expected at least one floating-point array. Return the outputs."
        raise InvalidInput(msg)
    for path, leaf in zip(leaf_paths(outputs), leaves, strict=True):
        if not isinstance(leaf, ARRAYS):
            msg = f"{what} returned {short(leaf)} ({type(leaf).__name__}) as output {path!r}; expected an array."
            raise InvalidInput(msg)
        if not is_floating(leaf):
            msg = (
                f"{what}: output {path!r} has dtype {jnp.result_type(leaf)}; eqprop verifies real differentiable "
                "outputs. "
                "Return only floating-point ones (logits, not classes; real and imaginary parts apart)."
            )
            raise InvalidInput(msg)
        if np.size(leaf) == 0:
            msg = (
                f"{what}: output {path!r} has shape {np.shape(leaf)}: there is nothing to compare. Give inputs a "
                "batch of at "
                "least 1, and layers a width of at least 1."
            )
            raise InvalidInput(msg)


def _check_finite(model: Model, params: Any, inputs: Any, outputs: Any) -> None:
    for path, leaf in zip(leaf_paths(outputs), jax.tree.leaves(outputs), strict=True):
        if np.isfinite(numbers(leaf)).all():
            continue
        sizes = [float(np.abs(numbers(leaf)).max(initial=0.0)) for leaf in jax.tree.leaves((params, inputs))]
        msg = (
            f"model {model.name!r}: output {path!r} is NaN or infinite at the example parameters and inputs, whose "
            "largest "
            f"number is {max(sizes, default=0.0):.3g}. Pass an example at which the model is finite."
        )
        raise InvalidInput(msg)


def _check_differentiable(model: Model, params: Any, inputs: Any) -> None:
    leaves = model.param_leaves

    def total(floats: Any) -> Any:
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(model.apply(leaves.join(floats, leaves.carried), inputs)))

    try:
        jax.eval_shape(jax.grad(total), leaves.split(params))
    except Exception as error:
        msg = (
            f"model {model.name!r}: JAX has no derivative of apply ({unexpected(error)}). Every property beyond the "
            "premise needs one: use lax.scan (or fori_loop with fixed bounds) for loops, and give kernels a "
            "jax.custom_vjp."
        )
        raise NotDifferentiable(msg) from error


def _check_loss(model: Model, outputs: Any, *, finite: bool) -> None:
    if model.loss is None:
        return
    what = f"model {model.name!r}: loss"

    def loss(outputs: Any) -> Any:
        value: Any = model.loss(outputs) if model.loss is not None else None
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


# -- actions ----------------------------------------------------------------------------------------------------------


def _check_action(pair: Pair, field: str, example: Any, precision: Precision) -> Callable[[], Any]:
    """A call of an action on its example, once it is known to keep structure, shapes and dtypes."""
    transformation = pair.transformation
    action = getattr(transformation, field)
    if action is unmoved:
        return lambda: example
    group = transformation.group
    drawn = said(f"{group!r}: sample", lambda: group.sample(np.random.default_rng(0), 0.2))
    element = cast_probe(pair, Probe(element=drawn), precision).element
    name = f"transformation {transformation.name!r}: {field}"
    like = example if field != "on_params" else cast_example(pair.replaced(model=pair.image, target=None), precision)[0]

    def move(element: Any, point: Any) -> Any:
        moved = _unchanged(name, action, element, point)
        _check_alike(name, like, moved, same_dtype=field == "on_params")
        return moved

    remedy = "a random transformation takes its randomness from the element"
    return repeatable(name, f"{name}(element, {field[3:]})", remedy, move, element, example)


def _unchanged(name: str, action: Callable[..., Any], element: Any, point: Any) -> Any:
    """action(element, point), which leaves its arguments as they are."""
    before = jax.tree.flatten(point)
    try:
        moved = action(element, point)
    except (TypeError, ValueError, IndexError) as error:
        if isinstance(error, jax.errors.JAXTypeError):
            raise
        shapes = ", ".join(str(np.shape(leaf)) for leaf in jax.tree.leaves(element))
        msg = f"{name} raised {unexpected(error)}. The element has shape {shapes}: check the group's size and the axes."
        raise InvalidInput(msg) from error
    after = jax.tree.flatten(point)
    if before[1] != after[1] or any(a is not b for a, b in zip(before[0], after[0], strict=True)):
        msg = f"{name} changed its argument in place; return a new tree, as {{**params, 'w': …}} does."
        raise InvalidInput(msg)
    return moved


def _check_alike(what: str, example: Any, moved: Any, *, same_dtype: bool = False) -> None:
    """The moved tree has the example's structure and shapes, its dtypes where asked; floating stays floating."""
    if jax.tree.structure(example) != jax.tree.structure(moved):
        found, expected = (set(leaf_paths(tree)) for tree in (moved, example))
        msg = (
            f"{what} changed the structure of the tree (missing: {', '.join(sorted(expected - found)) or 'none'}; "
            f"new: {', '.join(sorted(found - expected)) or 'none'}). Return all leaves, moved or not; where it maps "
            "to another "
            "model, pass that one as Pair(target=…)."
        )
        raise InvalidInput(msg)
    for path, a, b in zip(leaf_paths(example), jax.tree.leaves(example), jax.tree.leaves(moved), strict=True):
        if not isinstance(b, ARRAYS):
            msg = f"{what} returned {short(b)} ({type(b).__name__}) for {path!r}; expected an array."
            raise InvalidInput(msg)
        if np.shape(a) != np.shape(b):
            msg = (
                f"{what} changed the shape of {path!r} from {np.shape(a)} to {np.shape(b)}; expected the same shape. "
                "Check "
                "the group's size and the axes."
            )
            raise InvalidInput(msg)
        dtypes = [jnp.result_type(leaf) for leaf in (a, b)]
        if is_floating(a) != is_floating(b) or (same_dtype and is_floating(a) and dtypes[0] != dtypes[1]):
            msg = (
                f"{what} changed the dtype of {path!r} from {dtypes[0]} to {dtypes[1]}; expected the same. Remove the "
                "cast, "
                "or end with .astype(leaf.dtype)."
            )
            raise InvalidInput(msg)
