"""What is worked out once and kept, but never in the wrong trace.

JAX runs the body of a loop with tracers, which mean nothing outside of it. A derivative that is kept when it is first
asked for is made of such tracers where that happens inside of a loop, and whoever asks for it later gets them. Here
what is first asked for inside of a loop is kept for that trace of its body alone, and what was worked out before is
known there, too. Every loop and every trace of a function within another one opens a scope (``loops``, ``rowwise``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import wraps
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from eqprop.engine.trees import Tree

T = TypeVar("T")


class Scope:
    """One trace of a loop's body; ``outer`` is where the loop stands."""

    def __init__(self, outer: Scope | None = None) -> None:
        self.outer = outer


_scope: ContextVar[Scope] = ContextVar("eqprop_scope", default=Scope())  # noqa: B039 - never changed


def in_a_scope(function: Callable[..., T]) -> Callable[..., T]:
    """The function with a scope of its own for each call: one that JAX traces within another one."""

    @wraps(function)
    def scoped(*arguments: Tree) -> T:
        token = _scope.set(Scope(_scope.get()))
        try:
            return function(*arguments)
        finally:
            _scope.reset(token)

    return scoped


def _scopes() -> Iterator[Scope]:
    """From the present one outwards."""
    scope: Scope | None = _scope.get()
    while scope is not None:
        yield scope
        scope = scope.outer


class Memory:
    """Values by name, each in the scope in which it was worked out."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Scope, dict[str, Tree]] = WeakKeyDictionary()

    def once(self, name: str, compute: Callable[[], Tree]) -> Tree:
        """What is known by this name here or further out, or else what is computed now."""
        for scope in _scopes():
            known = self._kept.get(scope, {})
            if name in known:
                return known[name]
        value = compute()
        self._kept.setdefault(_scope.get(), {})[name] = value
        return value


class remembered(Generic[T]):  # noqa: N801 - it is read like property
    """A property that is worked out once in a scope: ``cached_property`` for what JAX traces."""

    def __init__(self, compute: Callable[[Tree], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: object, kind: type | None = None) -> T:
        if owner is None:
            return self  # pyright: ignore[reportReturnType] - of the class, for those who read its documentation
        memory: Memory = owner.__dict__.setdefault("_memory", Memory())
        return memory.once(self._name, lambda: self._compute(owner))
