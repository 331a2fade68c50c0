"""The identity map with a derivative of one's own: how models are falsified on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

Operation = Callable[..., Any]


def with_derivative(derivative: Callable[..., Any]) -> Operation:
    """The identity map with ``derivative(x, t)``, linear in t, as its derivative in forward and reverse mode.

    Arguments beside the first one are handed to the derivative behind t. The result does not depend on them; the
    derivative may, and higher derivatives with it.
    """

    @jax.custom_jvp
    def operation(x: Any, *beside: Any) -> Any:
        del beside
        return x

    @operation.defjvp
    def rule(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:  # pyright: ignore[reportUnusedFunction]
        x, *beside = primals
        return operation(x, *beside), derivative(x, tangents[0], *beside)

    return operation


def with_backward(derivative: Callable[[Any, Any], Any]) -> Operation:
    """The identity map with ``derivative(x, ct)`` as its backward rule; forward mode is refused."""

    @jax.custom_vjp
    def operation(x: Any) -> Any:
        return x

    operation.defvjp(lambda x: (x, x), lambda x, cotangent: (derivative(x, cotangent),))
    return operation
