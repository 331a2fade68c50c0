"""Runs what users wrote: twice, to see whether it repeats itself; whatever it raises is said in one line."""

from __future__ import annotations

from collections.abc import Callable
from itertools import dropwhile, takewhile

import jax
import numpy as np
from jax.typing import ArrayLike

from eqprop.engine.blame import behind, place_told
from eqprop.engine.rows import Each, traced
from eqprop.engine.trees import Tree, is_floating
from eqprop.errors import EqpropError, InvalidInput

ARRAYS = (jax.Array, np.ndarray, np.generic, float, int)
PYTHON_CONTROL_FLOW = (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError)
LONGEST = 2000
"""Of a reason: beyond it come dumps of whole programs, and nothing that a person reads."""

PURE = "let what jax.pure_callback calls draw no random numbers"
"""How to mend a callback that does not repeat itself."""

TRACEBACK = "Traceback (most recent call last)"


def unexpected(error: BaseException) -> str:
    """One line for an error that nothing here foresaw, without the advice and the notes that follow, with its place."""
    text = _telling(str(error).strip().splitlines()).rstrip(" .:;,") or "no message"
    return f"{type(error).__name__}: {text if len(text) <= LONGEST else text[:LONGEST] + '…'}{behind(error)}"


def _telling(lines: list[str]) -> str:
    """The first line; a list that it announces as well; of a traceback of another thread its last line, which says why.

    XLA puts the whole traceback of a callback into its message.
    """
    if not lines:
        return ""
    head, *rest = lines
    if TRACEBACK in head:
        return f"{head.partition(TRACEBACK)[0]}{_raised(rest)}"
    listed = list(takewhile(str.strip, rest)) if head.rstrip().endswith(":") else []
    return " ".join([head, *(line.strip() for line in listed)])


def _raised(lines: list[str]) -> str:
    """Of a traceback's lines the last paragraph, which says what was raised, and the user's line that raised it.

    Places in files are indented.
    """
    told = dropwhile(lambda line: line.startswith(" "), lines)
    said, place = " ".join(line.strip() for line in takewhile(str.strip, told)), place_told(lines)
    return f"{said} ({place})" if place else said


def repeatable(
    name: str, what: str, remedy: str, function: Callable[..., Tree], *arguments: Tree
) -> Callable[[], Tree]:
    """Trace a function twice: dropout, global counters and global seeds make them differ.

    Returns a call of it, which runs it twice: callbacks are in no trace.

    Args:
        name: of the function, in messages.
        what: it gives, as in ``"outputs"``.
        remedy: how to make it repeatable, as a sentence.
        function: of the arguments.
        *arguments: trees of arrays, at which it is traced.
    """
    traces = [explained(what, lambda: traced(function, *arguments)) for _ in range(2)]
    if len(traces[0].jaxpr.in_avals) > len(jax.tree.leaves(arguments)):
        raise InvalidInput(_foreign(what))
    texts = [str(trace.jaxpr) for trace in traces]
    same_text = texts[0] == texts[1] or "0x" in texts[0]  # an address, of a callback, differs in equal programs too
    if not same_text or not equal(traces[0].jaxpr.consts, traces[1].jaxpr.consts):
        raise InvalidInput(not_repeatable(name, remedy))
    once = Each(what, traces[0])
    lowered: list[Tree] = []

    def call() -> Tree:
        if not lowered:  # users compile it: what XLA does not take is an error, though NumPy evaluates it here
            lowered.append(explained(what, traces[0].lower))
        row = jax.tree.map(lambda leaf: np.asarray(leaf)[None], arguments)
        found, again = (explained(what, lambda: once(*row)) for _ in range(2))
        if not equal(found, again):
            raise InvalidInput(not_repeatable(name, remedy))
        return jax.tree.map(lambda leaf: leaf[0], found)

    return call


def not_repeatable(name: str, remedy: str) -> str:
    """What to tell the author of a function that does not repeat itself."""
    return (
        f"{name} gives different results for the same arguments. Make it deterministic: {remedy}, keep no state "
        "between calls."
    )


def _foreign(what: str) -> str:
    """What to tell the author of a function that uses what JAX is, or was, tracing elsewhere."""
    return (
        f"{what} uses a value that JAX traces elsewhere: kept from an earlier call, or of a jit, grad or vmap around "
        "eqprop. Make it a function of its arguments alone, and call eqprop outside of those."
    )


def undisturbed(name: str, function: Callable[..., Tree], *arguments: Tree) -> Tree:
    """The function's result, if it leaves its arguments as they are.

    Args:
        name: of the function, in messages.
        function: of the arguments.
        *arguments: trees of arrays; what they hold is compared before and after.

    Raises:
        InvalidInput: where it stores into a tree that it was given: whoever passes that tree again passes another one.
    """
    before = jax.tree.flatten(arguments)
    result = function(*arguments)
    after = jax.tree.flatten(arguments)
    if before[1] != after[1] or any(a is not b for a, b in zip(before[0], after[0], strict=True)):
        msg = f"{name} changed its argument in place; return a new tree, as {{**params, 'w': …}} does."
        raise InvalidInput(msg)
    return result


def explained(what: str, call: Callable[[], Tree]) -> Tree:
    """The call's result; whatever it raises is said in one line with its own words."""
    try:
        return call()
    except EqpropError:
        raise
    except jax.errors.UnexpectedTracerError as error:
        raise InvalidInput(_foreign(what)) from error
    except PYTHON_CONTROL_FLOW as error:
        msg = (
            f"{what} cannot be traced by JAX ({unexpected(error)}). Use jax.numpy in place of numpy, and jnp.where or "
            "jax.lax.cond in place of if, while, float() and int() on arrays."
        )
        raise InvalidInput(msg) from error
    except Exception as error:
        msg = f"{what} raised {unexpected(error)}."
        raise InvalidInput(msg) from error


def numbers(leaf: ArrayLike) -> np.ndarray:
    """As float64, also from dtypes that NumPy has no arithmetic for (bfloat16)."""
    array = np.asarray(leaf)
    return array.astype(np.float64) if is_floating(array) or array.dtype.kind in "biu" else np.abs(array)


def equal(a: Tree, b: Tree) -> bool:
    """Whether two trees are equal in structure and in every entry; NaN equals NaN."""
    first, second = jax.tree.leaves(a), jax.tree.leaves(b)
    if jax.tree.structure(a) != jax.tree.structure(b):
        return False
    pairs = ((_entries(x), _entries(y)) for x, y in zip(first, second, strict=True))
    return all(x.shape == y.shape and bool(((x == y) | ((x != x) & (y != y))).all()) for x, y in pairs)  # noqa: PLR0124


def _entries(leaf: ArrayLike) -> np.ndarray:
    """As a NumPy array; the keys of random numbers as the numbers they are made of."""
    key = isinstance(leaf, jax.Array) and jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if key else leaf)
