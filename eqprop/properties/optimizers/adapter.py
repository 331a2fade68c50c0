"""An optimiser as it is run here: anything with optax's ``init`` and ``update``. optax itself is not imported.

One of ``torch.optim`` gets these two from ``eqprop.torch``, where torch takes the steps.

``init(params)`` gives a state, ``update(grads, state, params)`` the pair (updates, state), and the next parameters are
params + updates. An ``update`` that takes ``value``, ``grad`` or ``value_fn`` (or any keyword, as those of optax's
``GradientTransformationExtraArgs`` do) gets L(θ), ∇L(θ) and L.

Parameters are handed over in the user's own tree. Where it has integer or boolean leaves these are None: that is what
filtering a model for ``jax.grad`` leaves of them, and the sum θ + u would be no integer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.arguments import short
from eqprop.claims import Params
from eqprop.engine import (
    ARRAYS,
    Partition,
    Tree,
    container_changed,
    explained,
    is_floating,
    leaf_paths,
    one_by_one,
    scanned,
    zeros_like,
)
from eqprop.errors import EqpropError, InvalidInput
from eqprop.torch import from_optimizer, is_optimizer

EXTRA = ("value", "grad", "value_fn")


@dataclass(frozen=True)
class Optimizer:
    """A checked optimiser.

    Attributes:
        name: used in reports.
        init: ``init(params) -> state``.
        update: ``update(grads, state, params, **extra) -> (updates, state)``.
        extra: which of ``value``, ``grad`` and ``value_fn`` it takes.
    """

    name: str
    init: Callable[..., Tree]
    update: Callable[..., Tree]
    extra: tuple[str, ...]

    @classmethod
    def of(cls, optimizer: Any, name: str) -> Optimizer:
        """The optimiser of a user.

        Raises:
            InvalidInput: where it lacks a callable ``init`` or ``update``.
        """
        if is_optimizer(optimizer):
            optimizer = from_optimizer(optimizer, name)
        missing = [part for part in ("init", "update") if not callable(getattr(optimizer, part, None))]
        if missing:
            msg = (
                f"optimizer {name!r} is {short(optimizer)} ({type(optimizer).__name__}), which has no callable "
                f"{' and no callable '.join(missing)}; expected an optax optimiser such as optax.adam(1e-3), a "
                "class of torch.optim, or an object with init(params) -> state and update(grads, state, params) -> "
                "(updates, state)."
            )
            raise InvalidInput(msg)
        return cls(name, optimizer.init, optimizer.update, _keywords(optimizer.update))


def _keywords(update: Callable[..., Tree]) -> tuple[str, ...]:
    """The extra arguments that an update takes: all where it takes any keyword, as optax's interface asks for."""
    try:
        parameters = inspect.signature(update).parameters
    except (TypeError, ValueError):
        return ()
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return EXTRA
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    # Behind (grads, state, params): the first argument of some update may itself be called grad.
    return tuple(p.name for p in list(parameters.values())[3:] if p.name in EXTRA and p.kind in named)


class Stepper:
    """An optimiser at work on the parameters of one model.

    Trees are tuples of floating-point leaves here, as everywhere behind the faces; the optimiser sees the user's tree.

    Args:
        optimizer: checked.
        leaves: how the model's parameters split.
        value: L.
        gradient: ∇L.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        leaves: Partition,
        value: Callable[[Tree], Tree],
        gradient: Callable[[Tree], Tree],
    ) -> None:
        self.optimizer = optimizer
        self.leaves = leaves
        self.value = value
        self.gradient = gradient

    def start(self, theta: Tree) -> Tree:
        """The state before the first step."""
        what = f"optimizer {self.optimizer.name!r}: init(params)"
        state = _called(what, lambda: self.optimizer.init(self._tree(theta)))
        for path, leaf in zip(leaf_paths(state), jax.tree.leaves(state), strict=True):
            if not isinstance(leaf, ARRAYS):
                msg = (
                    f"{what} put {short(leaf)} ({type(leaf).__name__}) into the state at {path!r}; expected arrays and "
                    "numbers only. Keep anything else outside of the state."
                )
                raise InvalidInput(msg)
        return state

    def update(self, gradient: Tree, state: Tree, theta: Tree) -> tuple[Tree, Tree]:
        """The displacement u of one step, and the state after it."""
        extra: dict[str, Tree] = {}
        grads, params = self._tree(gradient), self._tree(theta)
        if "value" in self.optimizer.extra:
            extra["value"] = self.value(theta)
        if "grad" in self.optimizer.extra:
            extra["grad"] = grads
        if "value_fn" in self.optimizer.extra:
            extra["value_fn"] = lambda params: self.value(tuple(jax.tree.leaves(params)))
        what = f"optimizer {self.optimizer.name!r}: update(grads, state, params)"
        returned = _called(what, lambda: self.optimizer.update(grads, state, params, **extra))
        if not isinstance(returned, tuple) or len(returned) != 2:
            msg = f"{what} returned {short(returned)} ({type(returned).__name__}); expected a pair (updates, state)."
            raise InvalidInput(msg)
        updates, after = returned
        _check_updates(what, params, updates)
        _check_state(what, state, after)
        return tuple(jax.tree.leaves(updates)), after

    def first(self, gradient: Tree, theta: Tree) -> Tree:
        """The displacement of the first step."""
        return self.update(gradient, self.start(theta), theta)[0]

    def along(
        self, theta: Tree, steps: int, observe: Callable[[Tree, Tree], Tree] = lambda _theta, _u: None
    ) -> tuple[Tree, Tree]:
        """The displacement after a number of steps, and what was observed at each: ``observe(before, u)``, stacked.

        The displacement is added up by itself: as a difference of parameters it would lose the digits by which they
        are larger.
        """

        def step(now: Tree, _: None) -> tuple[Tree, Tree]:
            at, moved, state = now
            u, after = self.update(self.gradient(at), state, at)
            there = jax.tree.map(lambda a, b: (a + b).astype(a.dtype), at, u)
            total = jax.tree.map(lambda a, b: (a + b).astype(a.dtype), moved, u)
            return (there, total, _like(state, after)), observe(at, u)

        start = jax.tree.map(jnp.asarray, (theta, zeros_like(theta), self.start(theta)))
        (_, moved, _), seen = scanned(step, start, steps)
        return moved, seen

    def _tree(self, floats: Tree) -> Tree:
        """The user's tree with these leaves, and None in place of the others."""
        given = iter(floats)
        return jax.tree.unflatten(self.leaves.treedef, [next(given) if f else None for f in self.leaves.floating])


def _called(what: str, call: Callable[[], Tree]) -> Tree:
    """The call's result; what it raises is said in one line, but for what asks for another way of tracing."""

    def again(error: Exception) -> None:
        raise error

    try:
        return call()
    except (EqpropError, NotImplementedError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a user's optimiser raises
        return explained(what, lambda error=error: again(error))


def _check_updates(what: str, params: Params, updates: Tree) -> None:
    """The updates are like the parameters, so that they can be added to them."""
    if jax.tree.structure(params) != jax.tree.structure(updates):
        found, expected = (set(leaf_paths(tree)) for tree in (updates, params))
        lost, new = (", ".join(sorted(paths)) or "none" for paths in (expected - found, found - expected))
        changed = container_changed(params, updates) or f"structure of the tree (missing: {lost}; new: {new})"
        remedy = "expected updates in the structure of params. Return jax.tree.map(…, grads)."
        msg = f"{what} changed the {changed}; {remedy}"
        raise InvalidInput(msg)
    for path, p, u in zip(leaf_paths(params), jax.tree.leaves(params), jax.tree.leaves(updates), strict=True):
        if not isinstance(u, ARRAYS) or np.shape(p) != np.shape(u):
            got = f"an update of shape {np.shape(u)}" if isinstance(u, ARRAYS) else f"{short(u)} ({type(u).__name__})"
            msg = f"{what} returned {got} for {path!r}; expected the parameter's shape {np.shape(p)}. Check the axes."
            raise InvalidInput(msg)
        if not is_floating(u):
            msg = (
                f"{what} returned an update of dtype {jnp.result_type(u)} for {path!r}; expected the parameter's, "
                f"{jnp.result_type(p)}. Remove the cast, or end with .astype(grad.dtype)."
            )
            raise InvalidInput(msg)


def _check_state(what: str, before: Tree, after: Tree) -> None:
    """The state keeps its structure, shapes and dtypes, so that steps can be looped over."""
    remedy = "return a state like the one that init made, so that steps can be looped over by jax.lax.scan."
    if jax.tree.structure(before) != jax.tree.structure(after):
        msg = f"{what} changed the structure of the state; {remedy}"
        raise InvalidInput(msg)
    for path, a, b in zip(leaf_paths(before), jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        kinds = [(np.shape(leaf), jnp.result_type(leaf)) for leaf in (a, b)]
        # A Python number that init put there takes the dtype of what comes after, as long as it stays whole or real.
        loose = getattr(a, "weak_type", isinstance(a, (int, float))) and is_floating(a) == is_floating(b)
        if kinds[0][0] != kinds[1][0] or (kinds[0][1] != kinds[1][1] and not loose):
            shown = [f"{dtype}{list(shape)}" for shape, dtype in kinds]
            msg = f"{what} changed the state at {path!r} from {shown[0]} to {shown[1]}; {remedy}"
            raise InvalidInput(msg)


def _like(before: Tree, after: Tree) -> Tree:
    return jax.tree.map(lambda a, b: jnp.asarray(b, jnp.result_type(a)), before, after)


def total(sizes: Tree) -> Tree:
    """The sum over steps of what was observed at each."""
    return jax.tree.map(lambda leaf: jnp.sum(leaf, 0), sizes)


def both(run: Callable[[Tree], Tree], here: Tree, there: Tree) -> tuple[Tree, Tree]:
    """run(here) and run(there), traced once: neither unrolled nor batched, so that any operation may lie inside."""
    stacked = jax.tree.map(lambda a, b: jnp.stack([a, b]), here, there)
    found = one_by_one(run)(stacked)
    return tuple(jax.tree.map(lambda leaf, i=i: leaf[i], found) for i in range(2))  # pyright: ignore[reportReturnType]
