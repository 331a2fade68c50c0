"""A function at each of several rows without a compiler: what XLA gives, and XLA itself where the walk knows no way."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import io_callback

from eqprop.engine import Each, each, traced, watchdog
from eqprop.errors import Stalled

pytestmark = pytest.mark.usefixtures("float64")

ROUNDING = 1e-14
"""A few units in the last place of sums of ten terms of size 1."""


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


def nested(tree: Any, y: Any) -> Any:
    return {"product": tree["a"] @ tree["b"] + y, "parts": (jnp.sum(jnp.tanh(y)), tree["b"] > 0)}


ARGUMENTS = ({"a": drawn(5, 3, 3), "b": drawn(5, 3)}, drawn(5, 3))


def assert_close(found: Any, expected: Any) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert isinstance(a, np.ndarray)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=ROUNDING, atol=ROUNDING)


def test_each_row_has_what_xla_gives():
    assert_close(each("it", nested, *ARGUMENTS), jax.vmap(nested)(*ARGUMENTS))


def test_a_result_that_all_rows_share_is_there_foreach():
    assert each("it", lambda x: (jnp.arange(2.0), x), drawn(3, 1))[0].tolist() == [[0, 1]] * 3


def test_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("XLA was asked to compile")

    monkeypatch.setattr(jax.stages.Lowered, "compile", refuse)
    each("it", nested, *ARGUMENTS)


def test_rows_of_many_numbers_are_taken_in_pieces(monkeypatch: pytest.MonkeyPatch):
    whole = each("it", nested, *ARGUMENTS)
    monkeypatch.setattr("eqprop.engine.rows.AT_ONCE", 40)
    for a, b in zip(jax.tree.leaves(each("it", nested, *ARGUMENTS)), jax.tree.leaves(whole), strict=True):
        np.testing.assert_array_equal(a, b)


def with_effects(x: Any) -> Any:
    seen = io_callback(np.asarray, jax.ShapeDtypeStruct(x.shape, x.dtype), x)
    return jnp.sin(seen), jnp.sum(x)


def test_what_the_walk_does_not_know_is_compiled_once_for_each_number_of_rows():
    evaluate = Each("it", traced(with_effects, drawn(2)))
    for count in (3, 3, 4):
        rows = drawn(count, 2)
        assert_close(evaluate(rows), (np.sin(rows), rows.sum(1)))
    assert len(evaluate._compiled) == 2


def test_a_function_is_traced_anew_each_time():
    seen: list[int] = []

    def counted(x: Any) -> Any:
        seen.append(1)
        return x

    each("it", counted, drawn(2, 1))
    each("it", counted, drawn(2, 1))
    assert len(seen) == 2


@pytest.mark.parametrize("wide", [False, True])
def test_it_is_evaluated_in_its_callers_precision(wide: bool):
    with jax.enable_x64(wide):
        assert each("it", jnp.sin, drawn(2)).dtype == (np.float64 if wide else np.float32)


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """What is waited for in vain, until the test is over."""
    monkeypatch.setattr(watchdog, "LIMIT", 1.0)
    monkeypatch.setattr(watchdog, "POLL", 0.2)
    event = Event()
    yield event
    event.set()


@pytest.mark.parametrize("by", ["walk", "xla"])
def test_what_stands_still_is_given_up_by_name(never: Event, by: str):
    def wait(x: Any) -> Any:
        never.wait()
        return np.asarray(x)

    def waiting(x: Any) -> Any:
        if by == "xla":
            io_callback(np.asarray, jax.ShapeDtypeStruct((), np.float64), x)
        return jax.pure_callback(wait, jax.ShapeDtypeStruct((), np.float64), x, vmap_method="sequential")

    with pytest.raises(Stalled, match="the program of the waiting one stood still"):
        each("the waiting one", waiting, drawn(2))
