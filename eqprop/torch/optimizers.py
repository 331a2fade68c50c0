"""An optimiser of torch in optax's interface: torch takes each step, of parameters and gradients that JAX traces.

Torch's optimisers change parameters in place and keep their state by parameter, some of it as numbers of Python. What
of a state depends on the gradients travels with the traced program; the rest (how many steps were taken, and what
follows from that) is that of an optimiser which has taken as many steps elsewhere. Two of them, at different gradients,
tell which is which.
"""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing
from torch.overrides import TorchFunctionMode

from eqprop.arguments import got
from eqprop.engine import Array, Roundoff, Tree, bridged, coarsest
from eqprop.errors import InvalidInput, NotDifferentiable
from eqprop.torch.arrays import as_tensor
from eqprop.torch.derivatives import Function, Tensors
from eqprop.torch.elsewhere import Elsewhere, Make, moved_to
from eqprop.torch.functions import TorchFunction
from eqprop.torch.session import alone

Key = tuple[int, str]
"""Of one entry of a state: of which parameter, and its name."""


class Transformed(NamedTuple):
    """What optax calls a gradient transformation."""

    init: Callable[[Tree], Tree]
    update: Callable[[Tree, Tree, Tree], tuple[Tree, Tree]]


def transformed(optimizer: Any, name: str) -> Transformed:
    """The optimiser with optax's ``init`` and ``update``.

    Args:
        optimizer: a class of ``torch.optim``, a partial application of one, or an optimiser of one group of parameters,
            whose settings are taken and neither its parameters nor its state.
        name: in reports.

    Raises:
        InvalidInput: for several groups of parameters.
    """
    make = _settings_of(optimizer, name) if isinstance(optimizer, torch.optim.Optimizer) else optimizer
    known: dict[Hashable, _Steps] = {}

    def steps_of(leaves: Sequence[Array]) -> _Steps:
        kinds = tuple((np.shape(leaf), np.dtype(jnp.result_type(leaf))) for leaf in leaves)
        if kinds not in known:
            known[kinds] = _Steps(make, kinds, name)
        return known[kinds]

    def init(params: Tree) -> Tree:
        steps = steps_of(jax.tree.leaves(params))
        return jnp.zeros((), jnp.int32), [jnp.zeros(kind.shape, kind.dtype) for kind in steps.state]

    def update(grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        leaves, treedef = jax.tree.flatten(params)
        taken, kept = state
        found = bridged(steps_of(leaves))(taken, *leaves, *jax.tree.leaves(grads), *kept)
        moved, after = found[: len(leaves)], found[len(leaves) :]
        return jax.tree.unflatten(treedef, moved), (taken + 1, list(after))

    return Transformed(init, update)


def _settings_of(optimizer: torch.optim.Optimizer, name: str) -> Make:
    if len(optimizer.param_groups) != 1:
        msg = (
            f"optimizer {name!r} has {len(optimizer.param_groups)} groups of parameters; expected one. Pass the class "
            "with the settings to verify, as in functools.partial(torch.optim.Adam, lr=1e-3)."
        )
        raise InvalidInput(msg)
    return lambda params: moved_to(optimizer, params, {})


class _Steps:
    """The step after any number of steps: see ``eqprop.engine.Foreign``.

    Its operands are how many were taken, parameters, gradients and the state; its results how far each parameter moves
    and the state afterwards.

    Args:
        make: an optimiser of parameters.
        kinds: shapes and types of these.
        name: in reports.

    Raises:
        InvalidInput: for what asks for the loss again, or keeps what cannot travel with a traced program.
    """

    linear = 0

    def __init__(self, make: Make, kinds: Sequence[tuple[tuple[int, ...], np.dtype]], name: str) -> None:
        self.name = name
        self._kinds = kinds
        self._after: dict[int, TorchFunction] = {}
        with alone():
            self._both = [Elsewhere(make, kinds, seed) for seed in range(2)]
            self._templates = [self._both[0].template()]
            self._states = [deepcopy(self._both[0].state)]
            self._moved = self._learned()
            self._check()

    def _learned(self) -> list[Key]:
        """Which entries of the state depend on the gradients: of tensors with axes, all."""
        found: dict[Key, None] = {}
        for _ in range(2):
            self._stepped()
            found |= dict.fromkeys(key for key, value in self._entries() if _travels(value, self._other(key)))
        return list(found)

    def _stepped(self) -> None:
        for one in self._both:
            one.step()
        self._templates.append(self._both[0].template())
        self._states.append(deepcopy(self._both[0].state))

    def _entries(self) -> list[tuple[Key, Any]]:
        return [((i, name), value) for i, entries in self._states[-1].items() for name, value in entries.items()]

    def _other(self, key: Key) -> Any:
        return self._both[1].state.get(key[0], {}).get(key[1])

    def _template(self, taken: int) -> tuple[torch.optim.Optimizer, dict[int, dict[str, Any]]]:
        while len(self._templates) <= taken:
            self._stepped()
            self._check()
        return self._templates[taken], self._states[taken]

    def _check(self) -> None:
        """What does not travel with the program is the same wherever the steps were taken."""
        rest = [key for key, value in self._entries() if key not in self._moved and not _alike(value, self._other(key))]
        first, second = (one.settings for one in self._both)
        names = [name for _, name in rest] + [name for name in first if not _alike(first[name], second.get(name))]
        if names:
            msg = (
                f"optimizer {self.name!r} keeps {names[0]!r}, which depends on the gradients and is no tensor of the "
                "state of a parameter; expected a state by parameter, as torch.optim.Adam keeps it."
            )
            raise InvalidInput(msg)

    @property
    def state(self) -> list[jax.ShapeDtypeStruct]:
        """Shapes and types of what travels."""
        entries = [self._states[2][i][name] for i, name in self._moved]
        return [jax.ShapeDtypeStruct(tuple(leaf.shape), str(leaf.dtype).removeprefix("torch.")) for leaf in entries]

    @property
    def results(self) -> Sequence[jax.ShapeDtypeStruct]:
        return [*(jax.ShapeDtypeStruct(*kind) for kind in self._kinds), *self.state]

    @property
    def cotangents(self) -> TorchFunction:
        msg = f"optimizer {self.name!r}: steps of torch.optim are not differentiated"
        raise NotDifferentiable(msg)

    @property
    def transposed(self) -> TorchFunction:
        return self.cotangents

    @property
    def outline(self) -> None:
        return None

    @property
    def lowest(self) -> Roundoff:
        return coarsest(self._next(taken).lowest for taken in range(2))

    @property
    def opaque(self) -> str:
        return next((why for taken in range(2) if (why := self._next(taken).opaque)), "")

    def values(self, *operands: np.ndarray) -> Sequence[np.ndarray]:
        taken, *rest = operands
        return self._next(_all(taken)).values(*rest)

    def rounded(self, *operands: np.ndarray, signs: np.ndarray | None, start: int = 0) -> Sequence[np.ndarray]:
        taken, *rest = operands
        return self._next(_all(taken)).rounded(*rest, signs=signs, start=start)

    def _next(self, taken: int) -> TorchFunction:
        """The step after so many."""
        if taken not in self._after:
            with alone():
                rng = np.random.default_rng(taken)
                kinds = [*self._kinds, *self._kinds, *((kind.shape, kind.dtype) for kind in self.state)]
                # What is kept of squares is positive.
                numbers = [np.asarray(np.abs(rng.standard_normal(shape)), dtype) for shape, dtype in kinds]
                self._after[taken] = TorchFunction(self._step(taken), tuple(map(as_tensor, numbers)), self.name)
        return self._after[taken]

    def _step(self, taken: int) -> Function:
        size = len(self._kinds)
        template, state = self._template(taken)
        again_made = {i: {name: _again(value) for name, value in entries.items()} for i, entries in state.items()}

        def step(operands: Tensors, again: bool) -> Tensors:
            del again
            own = [operand.detach().clone() for operand in operands]
            # Before the first step nothing has travelled: it has what the optimiser was made with.
            params, kept = own[:size], dict(zip(self._moved, own[2 * size :], strict=True)) if taken else {}
            held = {
                i: {name: kept[i, name] if (i, name) in kept else make() for name, make in entries.items()}
                for i, entries in again_made.items()
            }
            optimizer = moved_to(template, params, held)
            for param, slope in zip(params, own[size:], strict=False):
                param.grad = slope
            with _Numbers():
                optimizer.step()
            moved = [param - theta.detach() for param, theta in zip(params, operands, strict=False)]
            return (*moved, *(optimizer.state[params[i]][name] for i, name in self._moved))

        return step


class _Numbers(TorchFunctionMode):
    """Within it a tensor's number is read while a graph is traced, as rates that follow from the steps taken are.

    One that follows from the gradients makes a graph that gives other numbers elsewhere, which is noticed.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Tree = (), kwargs: dict[str, Tree] | None = None
    ) -> Any:
        if func is torch.Tensor.item:
            with disable_proxy_modes_tracing():
                return func(*args)
        return func(*args, **(kwargs or {}))


def _again(value: Any) -> Callable[[], Any]:
    """Makes the value anew, so that a step which stores into it leaves the next one alone."""
    if isinstance(value, torch.Tensor):
        return partial(torch.tensor, value.tolist(), dtype=value.dtype)
    return partial(deepcopy, value)


def _travels(value: Any, other: Any) -> bool:
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return False
    return value.ndim > 0 or not _alike(value, other)


def _alike(value: Any, other: Any) -> bool:
    if isinstance(value, torch.Tensor) and isinstance(other, torch.Tensor):
        return value.shape == other.shape and torch.equal(value, other)
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(_alike, value, other))
    return type(value) is type(other) and value == other


def _all(taken: np.ndarray) -> int:
    """The number that all rows have: they take their steps together."""
    numbers = np.unique(taken)
    assert len(numbers) == 1, got(numbers)
    return int(numbers[0])
