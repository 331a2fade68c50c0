"""The identity map with a derivative of one's own: how models are falsified on purpose."""

from __future__ import annotations

from collections.abc import Callable

import jax

from eqprop.engine.trees import Array, Tree

Operation = Callable[..., Tree]


def with_derivative(derivative: Callable[..., Tree]) -> Operation:
    """The identity map with ``derivative(x, t)``, linear in t, as its derivative in forward and reverse mode.

    Arguments beside the first one are handed to the derivative behind t. The result does not depend on them; the
    derivative may, and higher derivatives with it.
    """

    @jax.custom_jvp
    def operation(x: Array, *beside: Tree) -> Tree:
        del beside
        return x

    @operation.defjvp
    def rule(primals: tuple[Tree, ...], tangents: tuple[Tree, ...]) -> tuple[Tree, Tree]:  # pyright: ignore[reportUnusedFunction]
        x, *beside = primals
        return operation(x, *beside), derivative(x, tangents[0], *beside)

    return operation


def with_backward(derivative: Callable[[Tree, Tree], Tree]) -> Operation:
    """The identity map with ``derivative(x, ct)`` as its backward rule; forward mode is refused."""

    @jax.custom_vjp
    def operation(x: Array) -> Tree:
        return x

    operation.defvjp(lambda x: (x, x), lambda x, cotangent: (derivative(x, cotangent),))
    return operation
