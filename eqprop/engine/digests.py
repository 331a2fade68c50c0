"""What a function computes, as a text: its traced program and those of its derivatives, constants by their content.

Two processes give the same text for the same program: variables are numbered, and no address, no line and no name of a
file is in it. What a derivative rule of one's own does is in the programs of derivatives, where the rule was called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Primitive, Var, primitives

from eqprop.engine.calculus import value_and_gradient
from eqprop.engine.jaxprs import aval_of, equations, is_foreign
from eqprop.engine.trees import Partition, Tree, is_floating

RULES = frozenset({"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"})
"""Operations that hold derivative rules, as functions."""

FORWARD = "custom_jvp_call"
"""Of these the one whose rule is of forward mode, and nothing else."""

OWN = frozenset(value for value in vars(primitives).values() if isinstance(value, Primitive))
"""JAX's own operations, as far as it lists them."""

OF_KNOWN = frozenset({"builtins", "jax", "jaxlib", "ml_dtypes", "numpy"})
"""Packages whose objects say what is in them."""

PLAIN = (str, bytes, int, float, complex, type(None))


class Untold(Exception):  # noqa: N818 - it reads as what happened
    """Why it cannot be told whether something has changed."""


def function_text(function: Callable[..., Tree], arguments: tuple[Tree, ...], order: int) -> str:
    """The program of a function, and what its derivatives are up to an order.

    How JAX derives its own operations follows from its version. What a program calls that has a derivative rule of its
    own is told by the programs of its derivatives, so that every rule is called, and the rules of rules: by forward
    mode, where nothing but rules of that is in it; otherwise by reverse mode, those of the squared size of what was
    derived before. Where there is no derivative, the text says so; what is
    asked of that is not evaluated either.

    Args:
        function: traceable.
        arguments: of the right shapes and types.
        order: of the highest derivative.

    Raises:
        Untold: for a program that calls back into Python or is evaluated by others, and for a rule that looks at which
            of its arguments are derived.
    """
    program = jax.make_jaxpr(function)(*arguments)
    ruled = [equation for equation, _ in equations(program) if _has_rules(equation)]
    return "\n".join([program_text(program), *(_derived(equation, order) for equation in ruled)])


def _has_rules(equation: JaxprEqn) -> bool:
    """Whether an operation has derivatives that JAX's version does not tell: rules of its own, or unknown ones."""
    return equation.primitive.name in RULES or equation.primitive not in OWN


def _derived(equation: JaxprEqn, order: int) -> str:
    """The derivatives of what an operation calls, at its shapes and types."""
    if equation.params.get("symbolic_zeros"):
        msg = "what a derivative rule does is up to what is derived"
        raise Untold(msg)

    def called(*operands: Tree) -> Tree:
        bound = equation.primitive.get_bind_params(equation.params)
        functions, parameters = bound if isinstance(bound, tuple) else ((), bound)  # older JAX returns both
        return equation.primitive.bind(*functions, *operands, **parameters)

    operands = tuple(np.zeros(aval_of(atom).shape, aval_of(atom).dtype) for atom in equation.invars)
    pushed = _pushed(called, operands, order) if equation.primitive.name == FORWARD else ""
    return pushed or "\n".join(_derivatives(called, operands, order))


def _pushed(function: Callable[..., Tree], arguments: tuple[Tree, ...], order: int) -> str:
    """The highest derivative by forward mode, in a third of the time, for a rule that is one of forward mode.

    It calls the rule, and the rules of what that calls, as reverse mode does; how JAX transposes its own operations
    follows from its version. Empty where there is more in it than these: other rules, or operations of others.
    """
    split = Partition.of(arguments)
    theta = tuple(jnp.asarray(leaf) for leaf in split.split(arguments))

    def alone(leaves: Tree) -> Tree:
        return function(*split.join(leaves))

    derived: Callable[[Tree], Tree] = alone
    point: Tree = theta
    for _ in range(order if theta else 0):
        derived, point = _with_tangent(derived), (point, point)
    try:
        program = jax.make_jaxpr(derived)(point)
    except Exception:  # noqa: BLE001 - reverse mode says what it raises
        return ""
    others = any(_has_rules(inner) and inner.primitive.name != FORWARD for inner, _ in equations(program))
    return "" if others else program_text(program)


def _with_tangent(function: Callable[[Tree], Tree]) -> Callable[[Tree], Tree]:
    """(x, v) ↦ f(x) and its derivative along v."""

    def derived(point: Tree) -> Tree:
        leaves, tangents = point
        return jax.jvp(function, (leaves,), (tangents,))

    return derived


def _derivatives(function: Callable[..., Tree], arguments: tuple[Tree, ...], order: int) -> Iterator[str]:
    """The derivatives up to an order, or up to the last one that there is, in one program."""
    split = Partition.of(arguments)
    theta = tuple(jnp.asarray(leaf) for leaf in split.split(arguments))

    def alone(leaves: Tree) -> tuple[Tree, ...]:
        return (function(*split.join(leaves)),)

    for highest in range(order if theta else 0, 0, -1):
        derived: Callable[[Tree], tuple[Tree, ...]] = alone
        for _ in range(highest):
            derived = _with_gradient(derived)
        try:
            program = jax.make_jaxpr(derived)(theta)
        except Exception as error:  # noqa: BLE001 - whatever a rule raises, nothing is evaluated there
            yield f"no derivative {highest}: {type(error).__name__}"
            continue
        yield program_text(program)
        return


def _with_gradient(function: Callable[[Tree], tuple[Tree, ...]]) -> Callable[[Tree], tuple[Tree, ...]]:
    """x ↦ all values of a function and the gradient of the squared size of the last one."""

    def size(leaves: Tree) -> tuple[Tree, tuple[Tree, ...]]:
        values = function(leaves)
        floating = [leaf for leaf in jax.tree.leaves(values[-1]) if is_floating(leaf)]
        return sum(jnp.sum(leaf * leaf) for leaf in floating), values

    def derived(leaves: Tree) -> tuple[Tree, ...]:
        (_, values), gradient = value_and_gradient(size, beside=True)(leaves)
        return (*values, gradient)

    return derived


def program_text(program: ClosedJaxpr | Jaxpr) -> str:
    """A traced program as text.

    Raises:
        Untold: where it calls back into Python, is evaluated by others, or has a parameter that only its address tells.
    """
    return _Programs().text(program)


class _Programs:
    """Programs inside of one are told once, by a digest."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, str]] = {}

    def text(self, program: Any) -> str:
        jaxpr, constants = getattr(program, "jaxpr", program), getattr(program, "consts", ())
        known = {variable: f"v{i}" for i, variable in enumerate((*jaxpr.constvars, *jaxpr.invars))}
        lines = [f"{known[v]} = {self.of(c)}" for v, c in zip(jaxpr.constvars, constants, strict=False)]
        lines += [f"{known[v]}: {_type(v)}" for v in jaxpr.invars]
        for equation in jaxpr.eqns:
            read = [self._atom(atom, known) for atom in equation.invars]
            for variable in equation.outvars:
                known[variable] = f"v{len(known)}"
            made = [f"{known[v]}: {_type(v)}" for v in equation.outvars]
            lines.append(f"{', '.join(made)} = {self._operation(equation)} {' '.join(read)}")
        lines.append(f"return {' '.join(self._atom(atom, known) for atom in jaxpr.outvars)}")
        return "\n".join(lines)

    def _atom(self, atom: Any, known: Mapping[Var, str]) -> str:
        return self.of(np.asarray(atom.val, aval_of(atom).dtype)) if isinstance(atom, Literal) else known[atom]

    def _operation(self, equation: JaxprEqn) -> str:
        name = equation.primitive.name
        if "callback" in name:
            msg = "it calls back into Python"
            raise Untold(msg)
        if is_foreign(equation):
            msg = "a part of it is evaluated by others"
            raise Untold(msg)
        told = {key: self._parameter(value, of_rule=name in RULES) for key, value in equation.params.items()}
        return f"{name}[{', '.join(f'{key}={text}' for key, text in sorted(told.items()))}]"

    def _parameter(self, value: Any, *, of_rule: bool) -> str:
        try:
            return self.of(value)
        except Untold:
            if of_rule and not (hasattr(value, "eqns") or hasattr(value, "jaxpr")):
                return "a rule"
            raise

    def of(self, value: Any) -> str:
        """A parameter or a constant, whatever it is made of."""
        if isinstance(value, PLAIN):
            return repr(value)
        if isinstance(value, Enum | np.dtype | type):
            return str(value)
        if hasattr(value, "eqns") or hasattr(getattr(value, "jaxpr", None), "eqns"):
            return self._inner(value)
        if isinstance(value, jax.Array | np.ndarray | np.generic):
            return array_text(value)
        if isinstance(value, tuple | list):
            return f"{type(value).__name__}({', '.join(map(self.of, value))})"  # pyright: ignore[reportUnknownArgumentType]
        if isinstance(value, set | frozenset):
            return f"{{{', '.join(sorted(map(self.of, value)))}}}"  # pyright: ignore[reportUnknownArgumentType]
        if isinstance(value, Mapping):
            return f"{{{', '.join(sorted(f'{k}: {self.of(v)}' for k, v in value.items()))}}}"
        if is_dataclass(value):
            told = [f"{f.name}={self.of(getattr(value, f.name))}" for f in fields(value)]
            return f"{type(value).__qualname__}({', '.join(told)})"
        return repr_text(value)

    def _inner(self, program: Any) -> str:
        if id(program) not in self._known:
            digest = hashlib.sha256(self.text(program).encode()).hexdigest()
            self._known[id(program)] = program, f"program {digest}"
        return self._known[id(program)][1]


def array_text(value: Any) -> str:
    """An array by its type, its shape and what is in it."""
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return f"key {array_text(jax.random.key_data(value))}"
    array = np.asarray(value)
    content = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return f"array({array.dtype}, {array.shape}, {content})"


def repr_text(value: object) -> str:
    """What an object of JAX, NumPy or Python says of itself, if that is more than where it lies.

    Raises:
        Untold: where it is not, and for an object of somebody else.
    """
    text = repr(value)
    if type(value).__module__.partition(".")[0] not in OF_KNOWN or " at 0x" in text:
        msg = f"of a {type(value).__name__} nobody knows what is in it"
        raise Untold(msg)
    return f"{type(value).__qualname__} {text}"


def _type(variable: Any) -> str:
    aval = aval_of(variable)
    weak = " weak" if getattr(aval, "weak_type", False) else ""
    return f"{getattr(aval, 'dtype', aval)}{getattr(aval, 'shape', '')}{weak}"
