"""What is wrong with an action, tried on the example: the order of its arguments, what it moves and what it loses."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.arguments import got
from eqprop.claims import Inputs, Pair, Params, unmoved
from eqprop.engine import (
    ARRAYS,
    Precision,
    Tree,
    behind,
    container_changed,
    each,
    explained,
    generator,
    is_floating,
    leaf_paths,
    numbers,
    repeatable,
    undisturbed,
    unexpected,
)
from eqprop.errors import EqpropError, InvalidInput
from eqprop.groups import Algebra, Element, LieGroup
from eqprop.probes import Probe, cast_example, cast_probe

SAME_CONTAINERS = "Return the leaves in containers as they were given, as jax.tree.map does"


def check_action(pair: Pair, field: str, example: Tree, precision: Precision) -> Callable[[], Tree]:
    """A call of an action on its example, once it is known to keep structure, shapes and dtypes.

    Args:
        pair: whose action it is.
        field: ``"on_params"``, ``"on_outputs"`` or ``"on_inputs"``.
        example: what it acts on.
        precision: in which it is called.

    Raises:
        InvalidInput: naming the action, what it did, what was expected, and how to mend it.
    """
    transformation = pair.transformation
    action = getattr(transformation, field)
    if action is unmoved:
        return lambda: example
    group = transformation.group
    drawn = explained(f"{group!r}: sample", lambda: group.sample(np.random.default_rng(0), 0.2))
    element = cast_probe(pair, Probe(element=drawn), precision).element
    name = f"transformation {transformation.name!r}: {field}"
    like = example if field != "on_params" else cast_example(pair.replaced(model=pair.image, target=None), precision)[0]

    def move(element: Element, point: Tree) -> Tree:
        moved = _moved(name, action, element, point, like)
        check_alike(name, like, moved, same_dtype=field == "on_params")
        return moved

    remedy = "a random transformation takes its randomness from the element"
    return repeatable(name, f"{name}(element, {field[3:]})", remedy, move, element, example)


def check_finite(pair: Pair, field: str, moved: Tree) -> None:
    """What an action makes of the example is finite.

    Raises:
        InvalidInput: naming the leaf that is not.
    """
    for path, leaf in zip(leaf_paths(moved), jax.tree.leaves(moved), strict=True):
        if is_floating(leaf) and not np.isfinite(numbers(leaf)).all():
            what = f"transformation {pair.transformation.name!r}: {field}"
            msg = (
                f"{what} gives NaN or infinite numbers for {path!r} at the model's example, for an element near the "
                "identity; expected finite ones. Look for a division, a logarithm or a root that this example does not "
                "allow, or pass another example."
            )
            raise InvalidInput(msg)


def check_state(pair: Pair, params: Params) -> None:
    """State stays where it is along exp(tξ): derivatives act on parameters only, and would miss that part of k_ξ.

    Raises:
        InvalidInput: naming the state that moves.
    """
    transformation, image = pair.transformation, pair.image.param_leaves
    group = transformation.group
    if not pair.image.state or not isinstance(group, LieGroup):
        return
    rng = np.random.default_rng(0)
    what = f"transformation {transformation.name!r}: on_params"

    def carried(element: Element, point: Params) -> tuple[Tree, ...]:
        return tuple(leaf for leaf in image.rest(transformation.on_params(element, point)) if is_floating(leaf))

    def rate(algebra: Algebra) -> tuple[Tree, ...]:
        return generator(carried, group.identity(), group.tangent(algebra))(jax.tree.map(jnp.asarray, params))

    rates = each(what, rate, group.sample_algebra_many(rng, 1))
    floats = [path for path, leaf in zip(image.carried_paths, image.carried, strict=True) if is_floating(leaf)]
    for path, leaf in zip(floats, rates, strict=True):
        if np.any(leaf):
            msg = (
                f"{what} moves {path!r} continuously, which is state and out of the derivatives: an identity for the "
                "gradient would lack its part. Leave it out of Model(state=…) (differentiate_state=True where a module "
                "was adapted), or move it by a discrete group only."
            )
            raise InvalidInput(msg)


def check_charge(pair: Pair, params: Params) -> None:
    """A charge is one number for an algebra element and parameters.

    Raises:
        InvalidInput: where it raises, cannot be traced, or gives something else.
    """
    _check_number(pair, "charge", {"params": params}, "one floating-point number, linear in the algebra element")


def check_defect(pair: Pair, params: Params, inputs: Inputs) -> None:
    """A bound on a defect is one number for an algebra element, parameters and inputs, and not negative.

    Raises:
        InvalidInput: where it raises, cannot be traced, or gives something else.
    """
    expected = "one floating-point number, 0 or larger, that bounds |J k − τ|"
    bound = _check_number(pair, "defect", {"params": params, "inputs": inputs}, expected)
    if bound is not None and not numbers(bound()) >= 0:
        msg = f"transformation {pair.transformation.name!r}: defect returned {bound()}; expected {expected}."
        raise InvalidInput(msg)


def _check_number(pair: Pair, field: str, arguments: dict[str, Tree], expected: str) -> Callable[[], Tree] | None:
    """A call of what the transformation has by this name, a number for an algebra element; None without one."""
    function, group = getattr(pair.transformation, field), pair.transformation.group
    if function is None or not isinstance(group, LieGroup):
        return None
    what = f"transformation {pair.transformation.name!r}: {field}"
    algebra = group.sample_algebra(np.random.default_rng(0))
    given = jax.tree.map(jnp.asarray, (algebra, *arguments.values()))
    call = f"{what}({', '.join(('algebra', *arguments))})"
    found = explained(call, lambda: jax.eval_shape(lambda *each: function(*each), *given))  # noqa: PLW0108
    if not hasattr(found, "shape") or found.shape != () or not is_floating(found):
        shown = f"shape {found.shape}, dtype {found.dtype}" if hasattr(found, "shape") else got(found)
        msg = f"{what} returned {shown}; expected {expected}."
        raise InvalidInput(msg)
    return lambda: explained(call, lambda: function(*given))


def _moved(name: str, action: Callable[..., Tree], element: Element, point: Tree, like: Tree) -> Tree:
    """action(element, point), which leaves its arguments as they are; what it raises is said with the likely cause."""
    try:
        return undisturbed(name, action, element, point)
    except (EqpropError, jax.errors.JAXTypeError):
        raise
    except Exception as error:
        what = name.rpartition("on_")[2]
        if _works_swapped(action, element, point, like):
            msg = (
                f"{name} takes the element first: it is called as (element, {what}), and yours works as ({what}, "
                f"element). Swap its arguments{behind(error)}."
            )
            raise InvalidInput(msg) from error
        if not isinstance(error, TypeError | ValueError | IndexError):
            raise
        shapes = ", ".join(str(np.shape(leaf)) for leaf in jax.tree.leaves(element))
        msg = f"{name} raised {unexpected(error)}. The element has shape {shapes}: check the group's size and the axes."
        raise InvalidInput(msg) from error


def _works_swapped(action: Callable[..., Tree], element: Element, point: Tree, like: Tree) -> bool:
    """Whether the action does what it should once its arguments are in the other order."""
    try:
        moved = action(point, element)
        check_alike("", like, moved)
    except Exception:  # noqa: BLE001 - whatever it raises, it does not work in this order either
        return False
    return True


def check_alike(
    what: str,
    example: Tree,
    moved: Tree,
    *,
    same_dtype: bool = False,
    remedy: str = "Check the group's size and the axes",
) -> None:
    """The moved tree has the example's structure and shapes, its dtypes where asked; floating stays floating.

    Raises:
        InvalidInput: naming the leaf that differs.
    """
    if jax.tree.structure(example) != jax.tree.structure(moved):
        found, expected = (set(leaf_paths(tree)) for tree in (moved, example))
        another = "; where it maps to another model, pass that one as Pair(target=…)" if same_dtype else ""
        if changed := container_changed(example, moved):
            msg = f"{what} changed the {changed}; expected the same. {SAME_CONTAINERS}{another}."
            raise InvalidInput(msg)
        msg = (
            f"{what} changed the structure of the tree (missing: {', '.join(sorted(expected - found)) or 'none'}; "
            f"new: {', '.join(sorted(found - expected)) or 'none'}). Return all leaves, moved or not{another}."
        )
        raise InvalidInput(msg)
    for path, a, b in zip(leaf_paths(example), jax.tree.leaves(example), jax.tree.leaves(moved), strict=True):
        if not isinstance(b, ARRAYS):
            msg = f"{what} returned {got(b)} for {path!r}; expected an array."
            raise InvalidInput(msg)
        if np.shape(a) != np.shape(b):
            msg = (
                f"{what} changed the shape of {path!r} from {np.shape(a)} to {np.shape(b)}; expected the same shape. "
                f"{remedy}."
            )
            raise InvalidInput(msg)
        dtypes = [jnp.result_type(leaf) for leaf in (a, b)]
        if is_floating(a) != is_floating(b) or (same_dtype and is_floating(a) and dtypes[0] != dtypes[1]):
            msg = (
                f"{what} changed the dtype of {path!r} from {dtypes[0]} to {dtypes[1]}; expected the same. Remove the "
                "cast, or end with .astype(leaf.dtype)."
            )
            raise InvalidInput(msg)
