"""What a program is built into: each thing once, no longer than it is read, and what nobody reads not at all."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.engine.walk import Opened, Reading, Unsupported, Walk, primitives
from eqprop.engine.walk.graph import Value
from tests.engine.walk.both import ROWS, assert_equal_to_the_bit, compiled, integers, signs, walk_of, walked

pytestmark = pytest.mark.usefixtures("float64")


def test_what_is_said_twice_is_done_once():
    x = integers(3)
    assert walk_of(lambda x: jnp.sin(x) * jnp.sin(x), x).steps == 2
    assert walk_of(jax.jit(lambda x: jax.jit(jnp.sin)(x) * jax.jit(jnp.sin)(x)), x).steps == 2


def test_an_opened_program_is_gone_without_the_garbage_collector():
    def looped(x: Any) -> Any:
        return jax.lax.fori_loop(0, 3, lambda _, y: jnp.where(y > 0, jnp.sin(y), y), x)

    def values() -> int:
        return sum(isinstance(each, Value) for each in gc.get_objects())

    program = jax.make_jaxpr(looped)(np.ones(3))
    gc.collect()
    before = values()
    gc.disable()
    try:
        opened = Opened(program)
        Walk(opened)
        assert values() > before
        del opened
        assert values() == before
    finally:
        gc.enable()


def test_zeros_of_either_sign_are_not_taken_for_one_another():
    def divided(x: Any) -> Any:
        return jax.lax.div(x, jnp.full_like(x, 0.0)), jax.lax.div(x, jnp.full_like(x, -0.0))

    assert_equal_to_the_bit(divided, integers(3))


def test_what_nobody_reads_is_not_done():
    assert walk_of(lambda x: (jnp.sin(x), jnp.cos(x))[0], integers(3)).steps == 1


def test_what_depends_on_constants_only_is_done_when_it_is_built():
    walk = walk_of(lambda x: x + jnp.flip(jnp.arange(3.0)), integers(3))
    assert walk.steps == 1
    assert_equal_to_the_bit(lambda x: x + jnp.flip(jnp.arange(3.0)), integers(3))


def test_what_constants_come_to_is_done_when_it_is_built_where_nothing_was_rounded():
    assert walk_of(lambda x: x * jax.lax.sub(3.0, 1.0), integers(3)).steps == 1
    assert walk_of(lambda x: x * jax.lax.div(1.0, 3.0), integers(3)).steps == 2


LONG = 1 << 18


@pytest.mark.parametrize(
    "function",
    [
        lambda x: jnp.flip(jnp.arange(float(LONG))) * x[0],
        lambda x: -jnp.abs(jnp.zeros(LONG)) * x[0],
        lambda x: jnp.tile(x, LONG)[jnp.flip(jnp.arange(LONG))],
        lambda x: jnp.zeros(LONG).at[jnp.arange(LONG)[::2]].add(x[0]),
    ],
    ids=["counted", "the same everywhere", "looked up", "added to"],
)
def test_a_walk_keeps_no_constant_that_is_large_and_gives_what_it_would_with_it(function: Any):
    x = integers(3)[:2]
    program = jax.make_jaxpr(function)(x[0])
    tracemalloc.start()
    walk = Walk(program)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < LONG
    (found,) = walked(walk, x)
    np.testing.assert_array_equal(found, jax.vmap(function)(x))


def test_constants_closed_over_are_part_of_the_program():
    weights = jnp.asarray(np.arange(9.0).reshape(3, 3))
    assert_equal_to_the_bit(lambda x: weights @ x, integers(3))


def calls(x: Any) -> Any:
    return jax.nn.relu(x) + jax.checkpoint(lambda x: x * x)(x) + jax.named_call(lambda x: x + 1)(x)


@jax.custom_vjp
def cube(x: Any) -> Any:
    return x**3


cube.defvjp(lambda x: (cube(x), x), lambda x, w: (3 * x**2 * w,))


def solved(x: Any) -> Any:
    return jax.lax.custom_linear_solve(lambda v: 2 * v, x, lambda _, b: b / 2, symmetric=True)


def derived(x: Any) -> Any:
    return jax.grad(lambda x: jnp.sum(cube(x) + calls(x) + solved(x) ** 2))(x)


@pytest.mark.parametrize("function", [calls, cube, solved, derived], ids=lambda f: f.__name__)
def test_calls_are_opened(function: Any):
    assert_equal_to_the_bit(function, integers(3))


def test_rows_that_are_all_the_same_are_computed_once():
    x = integers(3)
    walk = walk_of(lambda x, y: (x * 2, x + y), x, x)
    same, different = walk([x[0][:, None], np.moveaxis(x, 0, -1)])
    assert same.shape == (3, 1)
    assert different.shape == (3, ROWS)


def test_a_program_without_operands_is_one_row():
    walk = walk_of(lambda x: (jnp.arange(3), jnp.zeros((0, 2)), x[:0]), integers(3))
    numbers, none, cut = walk([np.moveaxis(integers(3), 0, -1)])
    assert numbers.shape == (3, 1)
    assert none.shape == (0, 2, 1)
    assert cut.shape == (0, ROWS)


def live(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[int]:
    """Notes, before each time that one of some primitives is computed, how many of their results are still there."""
    arrays: list[weakref.ref[Any]] = []
    counts: list[int] = []

    def noting(rule: Any) -> Any:
        def of_equation(equation: Any) -> Any:
            step = rule(equation)

            def noted(*operands: Any) -> Any:
                counts.append(sum(ref() is not None for ref in arrays))
                found = np.array(step(*operands))
                arrays.append(weakref.ref(found))
                return found

            return noted

        return of_equation

    for name in names:
        monkeypatch.setitem(primitives.RULES, name, noting(primitives.RULES[name]))
    return counts


def test_an_array_lives_until_it_is_read_for_the_last_time(monkeypatch: pytest.MonkeyPatch):
    counts = live(monkeypatch, "sin", "mul")

    def chain(x: Any) -> Any:
        for _ in range(10):
            x = jnp.sin(x)
        for _ in range(10):
            x = x * jnp.sin(x)
        return x

    x = integers(3)
    walked(walk_of(chain, x), x)
    assert max(counts) == 2


def test_what_a_round_computes_does_not_outlive_it(monkeypatch: pytest.MonkeyPatch):
    counts = live(monkeypatch, "sin")
    x = integers(3)
    walked(walk_of(lambda x: jax.lax.fori_loop(0, 20, lambda _, y: jnp.sin(jnp.sin(y)), x), x), x)
    assert max(counts) <= 2


def test_what_is_read_off_a_result_frees_it(monkeypatch: pytest.MonkeyPatch):
    counts = live(monkeypatch, "sin")

    def waves(x: Any) -> list[Any]:
        return [jnp.sin(x + i) for i in range(10)]

    x = integers(3)
    program = jax.make_jaxpr(waves)(x[0])
    readings = [Reading((i,), lambda wave: wave.max(axis=0)) for i in range(10)]
    found = Walk(program, readings)([x.T])
    assert max(counts) <= 1
    np.testing.assert_array_equal(found, [np.sin(x + i).max(axis=1) for i in range(10)])


def test_readings_of_constants_and_of_several_results_are_made_in_each_walk():
    x = integers(3)
    program = jax.make_jaxpr(lambda x: (x + 1, jnp.zeros(3), x))(x[0])
    seen: list[int] = []
    walk = Walk(program, [Reading((1,), lambda zeros: seen.append(1) or zeros), Reading((0, 2), np.subtract)])
    for _ in range(2):
        _, difference = walk([x.T])
        np.testing.assert_array_equal(difference, 1)
    assert seen == [1, 1]


def test_an_operation_without_a_rule_is_done_by_jax_and_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(primitives.RULES, "sin")
    x = integers(3)
    walk = walk_of(lambda x: jnp.sin(x) + jnp.cos(x), x)
    assert walk.by_jax == ("sin",)
    np.testing.assert_array_equal(walked(walk, x)[0], compiled(jnp.sin, x)[0] + np.cos(x))


def test_a_case_that_a_rule_does_not_know_is_done_by_jax_and_named(monkeypatch: pytest.MonkeyPatch):
    def refuses(equation: Any) -> Any:
        raise Unsupported(str(equation))

    monkeypatch.setitem(primitives.RULES, "sort", refuses)
    x = integers(5)
    walk = walk_of(jnp.sort, x)
    assert "sort" in walk.by_jax
    np.testing.assert_array_equal(walked(walk, x)[0], np.sort(x, axis=-1))


def prints(x: Any) -> Any:
    jax.debug.print("{}", x)
    return x


def writes(x: Any) -> Any:
    cell = jax.new_ref(x)
    cell[...] += 1
    return cell[...]


def test_what_is_no_function_of_plain_numbers_is_refused():
    with pytest.raises(Unsupported, match=r"^effects \("):
        walk_of(writes, integers(3))


def test_what_only_shows_something_is_left_out(capsys: pytest.CaptureFixture[str]):
    x = integers(3)
    np.testing.assert_array_equal(walked(walk_of(lambda x: 2 * prints(x), x), x)[0], 2 * x)
    assert capsys.readouterr().out == ""


def test_forward_mode_through_a_reverse_only_rule_is_refused_as_by_jax():
    with pytest.raises(NotImplementedError, match="custom_lin"):
        walk_of(lambda x: jax.jvp(cube, (x,), (x,))[1], integers(3))


def test_floating_point_warnings_stay_inside():
    x = integers(3)
    walk = walk_of(lambda x: jnp.log(x) / (x - x), x)
    before = np.geterr()
    walked(walk, x)
    assert np.geterr() == before


def test_walks_of_a_program_that_is_opened_once_are_as_those_of_the_program():
    def function(x: Any) -> Any:
        def step(carried: Any, i: Any) -> Any:
            return (jnp.sin(carried[0]) + i * jnp.ones(3).sum(), carried[1] * 2), carried[1] + carried[0]

        (last, doubled), each = jax.lax.scan(step, (x, x), jnp.arange(4.0))
        return last, jax.lax.cond(x[0] > 0, jnp.cos, jnp.tanh, doubled), each

    program = jax.make_jaxpr(function)(np.ones(3))
    given = [np.random.default_rng(0).standard_normal((3, ROWS))]
    opened = Opened(program)
    for positions in ((0,), (1,), (2,), (0, 1, 2), (1,)):
        readings = [Reading((position,), np.array) for position in positions]
        for found, expected in zip(
            Walk(opened, readings)(given, signs(ROWS)), Walk(program, readings)(given, signs(ROWS)), strict=True
        ):
            np.testing.assert_array_equal(found, expected)
