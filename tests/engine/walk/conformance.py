"""One check that every primitive is put through: the walk's step against XLA's program, within the table's bounds."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cache
from typing import Any

import hypothesis.strategies as st
import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, given, settings

from eqprop.engine import compiler_options
from eqprop.engine.walk.primitives import RULES
from eqprop.engine.walk.primitives.operand import rows_ahead, rows_behind
from eqprop.engine.walk.table import AGREEMENT

FLOATS = tuple(np.dtype(t) for t in (np.float64, np.float32, np.float16, jnp.bfloat16))
COMPLEX = (np.dtype(np.complex128), np.dtype(np.complex64))
WHOLE = tuple(np.dtype(t) for t in ("i1", "u1", "i4", "u4", "i8", "u8"))
TRUTH = np.dtype(np.bool_)

SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 2, -2, 0.5, -0.5, 3, -3, 1e-3, 30, -30, 1e5, -1e5])


@cache
def primitives() -> dict[str, Any]:
    """Every primitive of the installed JAX by its name, those without a public name included."""
    gc.unfreeze()  # what is frozen (tests/conftest.py) is not among the objects
    found = {p.name: p for p in gc.get_objects() if isinstance(p, jax.extend.core.Primitive)}
    gc.freeze()
    return found


def bound(name: str, **params: Any) -> Callable[..., Any]:
    """A function that is one primitive."""
    return lambda *operands: primitives()[name].bind(*operands, **params)


def sweep(case: st.SearchStrategy[Any], check: Callable[[Any], None], examples: int) -> None:
    """Put drawn cases to a check."""

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=HealthCheck)
    @given(case)
    def run(drawn: Any) -> None:
        check(drawn)

    run()


# -- numbers ----------------------------------------------------------------------------------------------------------


def numbers(seed: int, dtype: Any, shape: tuple[int, ...], *, special: bool = True, scale: float = 1) -> np.ndarray:
    """Numbers of a type and shape; among them, in random places, special ones."""
    rng, dtype, size = np.random.default_rng(seed), np.dtype(dtype), int(np.prod(shape))
    if dtype == TRUTH:
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype in COMPLEX:
        return (numbers(seed, "f8", shape, special=False) + 1j * rng.standard_normal(shape)).astype(dtype)
    if dtype in FLOATS:
        drawn = scale * rng.standard_normal(size) * np.exp(rng.uniform(-2, 2, size))
        found = SPECIAL
    else:
        info = np.iinfo(dtype)
        drawn = rng.integers(max(info.min, -9), 10, size).astype(dtype)
        found = np.array([info.min, info.max, 0, 1], dtype)
    if special and size:
        places = rng.permutation(size)[: max(1, min(len(found), size // 3))]
        drawn[places] = rng.choice(found, len(places))
    with np.errstate(all="ignore"):
        return drawn.astype(dtype).reshape(shape)


seeds = st.integers(0, 2**20)
rows = st.integers(1, 4)
lengths = st.sampled_from([1, 2, 3, 4, 0, 5])
shapes = st.lists(lengths, max_size=3).map(tuple)
full_shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


@st.composite
def operands(draw: st.DrawFn, *kinds: tuple[Any, tuple[int, ...]], special: bool = True, scale: float = 1) -> Any:
    """An array for each (dtype, shape), its rows behind it: as many as in the others, or one for all."""
    count, seed = draw(rows), draw(seeds)
    lazy = draw(st.lists(st.booleans(), min_size=len(kinds), max_size=len(kinds)))
    return [
        numbers(seed + n, dtype, (*shape, 1 if same else count), special=special, scale=scale)
        for n, ((dtype, shape), same) in enumerate(zip(kinds, lazy, strict=True))
    ]


# -- both evaluators --------------------------------------------------------------------------------------------------


def equation(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """The one operation of a function of one row."""
    program = jax.make_jaxpr(function)(*(jax.ShapeDtypeStruct(x.shape[:-1], x.dtype) for x in arrays))
    (found,) = program.jaxpr.eqns
    return found


def listed(results: Any) -> list[Any]:
    return list(results) if isinstance(results, (tuple, list)) else [results]


def compiled(function: Callable[..., Any], *arrays: np.ndarray) -> list[np.ndarray]:
    """XLA's results for all rows."""
    count = next((x.shape[-1] for x in arrays if x.shape[-1] != 1), 1)
    first = [np.moveaxis(np.broadcast_to(x, (*x.shape[:-1], count)), -1, 0) for x in arrays]
    program = jax.jit(jax.vmap(function)).lower(*first).compile(compiler_options=compiler_options())
    return [np.moveaxis(np.asarray(x), 0, -1) for x in listed(program(*first))]


def read_only(x: np.ndarray) -> np.ndarray:
    """The same array, which nobody can write into."""
    x = x.view()
    x.flags.writeable = False
    return x


def backwards(x: np.ndarray) -> np.ndarray:
    """The same numbers, which lie the other way round in memory and in another order of axes."""
    turned = tuple(slice(None, None, -1) for _ in x.shape)
    return np.asfortranarray(x[turned])[turned]


def whole(x: np.ndarray) -> np.ndarray:
    """The same numbers, each row of which lies in memory as a whole."""
    return rows_behind(np.ascontiguousarray(rows_ahead(x)))


def conforms(function: Callable[..., Any], *arrays: np.ndarray) -> None:
    """The walk agrees with XLA, whatever the layout, and for each row whatever the others are.

    The function is one primitive of one row; arrays have their rows behind them.
    """
    found = equation(function, *arrays)
    step = RULES[found.primitive.name](found)

    def walked(*given: np.ndarray) -> list[np.ndarray]:
        with np.errstate(all="ignore"):
            results = step(*map(read_only, given))
        assert isinstance(results, tuple) == found.primitive.multiple_results
        return listed(results)

    results, joint = walked(*arrays), any(x.dtype in COMPLEX for x in arrays)
    for result, variable, expected in zip(results, found.outvars, compiled(function, *arrays), strict=True):
        assert result.dtype == variable.aval.dtype
        assert result.shape[:-1] == variable.aval.shape
        agrees(found.primitive.name, result, expected, lambda: sizes(found.primitive.name, walked, arrays), joint=joint)
    same(results, walked(*map(backwards, arrays)), "laid out backwards")
    same(results, walked(*map(whole, arrays)), "each row as a whole in memory")
    for row in range(max(x.shape[-1] for x in arrays)):
        alone = walked(*(x[..., row : row + 1] if x.shape[-1] != 1 else x for x in arrays))
        same([x[..., row : row + 1] if x.shape[-1] != 1 else x for x in results], alone, f"row {row} alone")
    for result, variable in zip(walked(*(x[..., :0] for x in arrays)), found.outvars, strict=True):
        assert result.shape == (*variable.aval.shape, 0)


def same(results: list[np.ndarray], others: list[np.ndarray], what: str) -> None:
    """Equal to the last bit."""
    for result, other in zip(results, others, strict=True):
        assert np.ascontiguousarray(result).tobytes() == np.ascontiguousarray(other).tobytes(), what


def sizes(name: str, walked: Callable[..., Any], arrays: Any) -> np.ndarray:
    """The sum of the sizes of all terms: the same operation on absolute values; integers are indices, or factors."""
    factors = name == "dot_general"
    return walked(*(np.abs(x) if factors or x.dtype in (*FLOATS, *COMPLEX) else x for x in arrays))[0]


def agrees(
    name: str, result: np.ndarray, expected: np.ndarray, terms: Callable[[], np.ndarray], *, joint: bool
) -> None:
    """Within what the table says; numbers below the smallest normal one are zero to XLA."""
    agreement = AGREEMENT[name]
    result = np.broadcast_to(result, expected.shape)
    if result.dtype not in (*FLOATS, *COMPLEX):
        whole = result.dtype.kind in "biu"
        assert np.array_equal(*(x if whole else x.astype(np.float32) for x in (result, expected)), equal_nan=not whole)
        return
    joint |= result.dtype in COMPLEX
    bound = agreement.joint if joint else agreement.wide if result.dtype.itemsize >= 4 else agreement.narrow
    unit = size_of(agreement.of, expected, terms) if joint or agreement.unit == "eps" else None
    far = distances(result, expected, unit, zeros=agreement.zeros)
    worst = np.unravel_index(np.argmax(far), far.shape) if far.size else ()
    assert far.size == 0 or far[worst] <= bound, (name, far[worst], result[worst], expected[worst])


def size_of(of: str, expected: np.ndarray, terms: Callable[[], np.ndarray]) -> np.ndarray:
    """What eps is times."""
    own = np.abs(expected).astype(np.float64)
    return {
        "": lambda: own,
        "the terms' sizes": lambda: np.abs(terms()).astype(np.float64),
        "the largest entry": lambda: np.full(own.shape, np.max(own, initial=0)),
        "max(1, |result|)": lambda: np.maximum(own, 1),
    }[of]()


def distances(a: np.ndarray, b: np.ndarray, unit: np.ndarray | None, *, zeros: bool) -> np.ndarray:
    """How far numbers are apart, in eps · ``unit`` or in units in the last place."""
    info = jnp.finfo(a.dtype)
    with np.errstate(all="ignore"):
        flushed = (np.abs(a) <= info.smallest_normal) & (np.abs(b) <= info.smallest_normal)
        if unit is not None:
            alike = flushed | (np.isnan(a) & np.isnan(b)) | (a == b)
            far = np.abs(a - b).astype(np.float64) / (float(info.eps) * np.broadcast_to(unit, a.shape))
        else:
            alike = flushed & (zeros | (np.signbit(a) == np.signbit(b))) | (np.isnan(a) & np.isnan(b))
            far = np.where(np.isfinite(a) & np.isfinite(b) | (a == b), steps(a, b), np.inf)
    return np.where(alike, 0, np.where(np.isnan(far), np.inf, far))


def steps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many floats lie between two."""
    whole = np.dtype(f"i{a.dtype.itemsize}")
    first, second = (np.ascontiguousarray(x).view(whole).astype(np.int64) for x in (a, b))
    apart = np.abs(first - second).astype(np.float64)
    return np.where(np.signbit(a) == np.signbit(b), apart, np.inf)
