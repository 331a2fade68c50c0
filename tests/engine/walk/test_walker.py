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

from eqprop.engine.walk import TABLE, Opened, Reading, Unsupported, Walk, noise, primitives
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


def rounding(x: Any) -> Any:
    y = jax.lax.fori_loop(0, 3, lambda i, y: jnp.sin(y) * x + i, x)
    z = jax.lax.while_loop(lambda z: jnp.sum(z) > 1, lambda z: z / 3, x)
    return jnp.tanh(y) / 3, jax.lax.cond(x[0] > 0, jnp.exp, jnp.cos, z), jnp.sqrt(2 * jnp.ones(3)) * x


def test_random_rounding_leaves_rows_without_signs_exact_and_moves_the_others():
    x = integers(3) / 7
    walk = walk_of(rounding, x)
    for plain, noisy in zip(walked(walk, x), walked(walk, x, signs=signs(ROWS)), strict=True):
        np.testing.assert_array_equal(plain[0], noisy[0])
        assert (plain[1:] != noisy[1:]).mean() > 0.5
        np.testing.assert_array_less(np.abs(plain - noisy), 1e-14)  # some tens of roundings of numbers below 10


def test_rows_may_share_their_signs():
    x, table = integers(3) / 7, signs(ROWS)
    walk, pairs = walk_of(rounding, x), np.repeat(np.arange(ROWS), 2)
    apart = walked(walk, x[pairs], signs=table[:, pairs])
    for one, other in zip(apart, walked(walk, x[pairs], signs=table), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_does_not_round_is_not_moved():
    x = integers(3) / 7
    walk = walk_of(lambda x: (jnp.max(-x), jnp.sort(x), x[::-1][1:], x > 0), x)
    for plain, noisy in zip(walked(walk, x), walked(walk, x, signs=signs(ROWS)), strict=True):
        np.testing.assert_array_equal(plain, noisy)


def test_errors_of_the_same_row_are_the_same_whatever_other_rows_there_are():
    x, table = integers(3) / 7, signs(ROWS)
    walk = walk_of(rounding, x)
    together = walked(walk, x, signs=table)
    alone = walked(walk, x[2:3], signs=table[:, 2:3])
    for many, one in zip(together, alone, strict=True):
        np.testing.assert_array_equal(many[2], one[0])


def test_a_round_of_a_loop_has_errors_of_its_own():
    x = np.ones((ROWS, 1))
    walk = walk_of(lambda x: jax.lax.scan(lambda c, _: (-c, jnp.abs(c) / 3), x, None, length=8)[1], x)
    (found,) = walked(walk, x, signs=signs(ROWS))
    assert len(np.unique(found[1])) == 2


def test_a_result_larger_than_the_table_is_moved_throughout():
    x = np.ones((2, 200_000))
    (found,) = walked(walk_of(lambda x: x * 3, x), x, signs=np.ones((TABLE, 2)))
    assert (found == 3 * (1 + np.finfo(np.float64).eps)).all()


def layers(w: Any, x: Any) -> Any:
    """A little of what large models do: products, sums of more than a block, broadcasts, gathers, transposes, loops."""
    h = jnp.tanh(x @ w) * jnp.sum(w, axis=0, keepdims=True) + jnp.sum(w)
    h = jax.nn.softmax(h @ w.T) / jnp.max(h) + jnp.mean(h**2, axis=1, keepdims=True)
    turned = jax.lax.scan(lambda c, row: (c + row, jnp.outer(row, c)), x[0], w.T[:, : x.shape[1]])[1]
    return h, turned[:, ::2], w[jnp.array([3, 1, 2])] @ w.T, jnp.concatenate([w, w.T.reshape(w.shape) / 3]), h.ravel()


@pytest.mark.parametrize("shared", [1, 2])
def test_rows_as_wholes_in_memory_give_the_same_bits(shared: int):
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((ROWS, 40, 72)), rng.standard_normal((ROWS, 5, 40))
    table = signs(ROWS // shared)
    apart = walked(walk_of(layers, w, x), w, x, signs=table)
    whole = walked(walk_of(layers, w, x, ahead=True), w, x, signs=table)
    for one, other in zip(apart, whole, strict=True):
        assert one.tobytes() == other.tobytes()


def test_rows_stay_wholes_in_memory():
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((ROWS, 40, 72)), rng.standard_normal((ROWS, 5, 40))
    walk = walk_of(layers, w, x, ahead=True)
    for result in walk([np.moveaxis(w, 0, -1), np.moveaxis(x, 0, -1)]):
        assert result.strides[-1] == max(result.strides)


def test_a_large_result_has_the_same_errors_in_either_layout():
    x = np.random.default_rng(0).standard_normal((ROWS, 70_000))
    for table in (signs(ROWS), signs(ROWS // 2)):
        one, other = (
            walked(walk_of(lambda x: x * 3, x, ahead=ahead), x, signs=table)[0].tobytes() for ahead in (False, True)
        )
        assert one == other


@pytest.mark.parametrize("ahead", [False, True])
def test_a_large_result_has_the_same_errors_in_its_own_place_as_in_a_new_array(
    ahead: bool, monkeypatch: pytest.MonkeyPatch
):
    x, table = np.random.default_rng(0).standard_normal((ROWS, 140_001)), signs(ROWS)
    in_place = walked(walk_of(lambda x: x * 3, x, ahead=ahead), x, signs=table)[0]
    monkeypatch.setattr(noise, "FRESH", frozenset())
    anew = walked(walk_of(lambda x: x * 3, x, ahead=ahead), x, signs=table)[0]
    assert in_place.tobytes() == anew.tobytes()
    np.testing.assert_array_equal(in_place[0], 3 * x[0])


@pytest.mark.parametrize("shape", [(70_001,), (20_003, 2), (70, 0), (64,)])
def test_sums_that_do_not_fit_into_a_cache_are_the_same_in_either_layout(shape: tuple[int, ...]):
    x = np.random.default_rng(0).standard_normal((ROWS, *shape))
    one, other = (walked(walk_of(lambda x: jnp.sum(x, 0), x, ahead=ahead), x)[0].tobytes() for ahead in (False, True))
    assert one == other


def test_a_factor_for_each_row_errs_as_one_for_many_does(monkeypatch: pytest.MonkeyPatch):
    x, table = integers(3) / 7, signs(ROWS // 2)
    wide = walked(walk_of(rounding, x), x, signs=table)
    monkeypatch.setattr(noise, "WIDE", 0)
    for one, other in zip(wide, walked(walk_of(rounding, x), x, signs=table), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_sums_of_zeros_have_the_same_sign_in_either_layout(axes: tuple[int, ...]):
    x = np.full((ROWS, 70, 3), -0.0)
    one, other = (
        walked(walk_of(lambda x: jnp.sum(x, axes), x, ahead=ahead), x)[0].tobytes() for ahead in (False, True)
    )
    assert one == other


@pytest.mark.parametrize("ahead", [False, True])
def test_nothing_and_rows_that_all_are_exact_have_no_errors(ahead: bool):
    x = integers(3) / 7
    walk = walk_of(lambda x: (x[:0] * 3, x * 3), x, ahead=ahead)
    for table in (np.zeros((TABLE, 1)), signs(ROWS), signs(ROWS // 2)):
        none, some = walked(walk, x, signs=table)
        assert none.shape == (ROWS, 0)
        np.testing.assert_array_equal(some[0], 3 * x[0])


def test_walking_once_more_with_other_signs_is_like_walking_first_with_them():
    x = integers(3) / 7
    walk = walk_of(rounding, x)
    walked(walk, x, signs=signs(ROWS))
    for again, fresh in zip(
        walked(walk, x, signs=signs(ROWS, seed=1)),
        walked(walk_of(rounding, x), x, signs=signs(ROWS, seed=1)),
        strict=True,
    ):
        np.testing.assert_array_equal(again, fresh)


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
