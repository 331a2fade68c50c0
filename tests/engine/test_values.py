"""The value of a program, kept between runs: the numbers of the call itself, and the call where it must be made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.core import Tracer

from eqprop.engine import kept_value, persistent_cache, values

flax = pytest.importorskip("flax.linen")
haiku = pytest.importorskip("haiku")

KEY, ROW, IMAGE = jax.random.key(3), jnp.ones((2, 6)), jnp.ones((1, 5, 5, 2))
INITIALIZERS = jax.nn.initializers


def of_haiku(make: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: haiku.transform_with_state(lambda x: make()(x)).init(KEY, ROW)  # noqa: PLW0108 - made inside of it


MODULES: dict[str, Callable[[], Any]] = {
    "linen-dense": lambda: flax.Dense(16).init(KEY, ROW),
    "linen-small-normal": lambda: flax.Dense(16, kernel_init=INITIALIZERS.normal(0.02)).init(KEY, ROW),
    "linen-orthogonal": lambda: flax.Dense(16, kernel_init=INITIALIZERS.orthogonal()).init(KEY, ROW),
    "linen-embedding": lambda: flax.Embed(5, 8).init(KEY, jnp.zeros((2, 3), int)),
    "linen-convolution": lambda: flax.Conv(4, (3, 3)).init(KEY, IMAGE),
    "linen-norm": lambda: flax.BatchNorm(use_running_average=False).init(KEY, ROW),
    "linen-half": lambda: flax.Dense(4, param_dtype=jnp.bfloat16).init(KEY, ROW),
    "haiku-linear": of_haiku(lambda: haiku.Linear(16)),
    "haiku-shifted-normal": of_haiku(lambda: haiku.Linear(16, w_init=haiku.initializers.RandomNormal(0.3, 0.1))),
    "haiku-shifted-cut-normal": of_haiku(lambda: haiku.Linear(9, w_init=haiku.initializers.TruncatedNormal(0.1, 0.7))),
}
"""Among them those whose numbers a compiled ``init`` changes: normal numbers that are scaled once more, or shifted."""


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("EQPROP_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("EQPROP_CACHE", raising=False)
    return tmp_path


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("value-*-cache"))


class Counted:
    """A call that counts how often it is made with numbers, and how often it is traced."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make, self.traced, self.made = make, 0, 0

    def __call__(self) -> Any:
        value = self.make()
        leaves = jax.tree.leaves(value)
        is_traced = any(isinstance(leaf, Tracer) for leaf in leaves)
        self.traced, self.made = self.traced + is_traced, self.made + (not is_traced)
        return value


@pytest.mark.parametrize("name", MODULES)
def test_first_weights_from_the_cache_are_those_of_the_call_to_the_last_bit(name: str, kept: Path) -> None:
    counted = Counted(MODULES[name])
    expected = counted.make()
    with persistent_cache():
        kept_value(counted)
        found = kept_value(counted)
    assert len(files(kept)) == 1
    assert (counted.traced, counted.made) == (2, 1)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_another_program_has_another_value() -> None:
    with persistent_cache():
        assert kept_value(lambda: jnp.arange(3.0) * 2)[2] == 4
        assert kept_value(lambda: jnp.arange(3.0) * 3)[2] == 6


def test_outside_of_a_cache_the_call_is_made_and_not_traced(kept: Path) -> None:
    counted = Counted(lambda: jnp.arange(3.0))
    assert kept_value(counted)[2] == 2
    assert (counted.traced, counted.made) == (0, 1)
    assert not files(kept)


def test_a_call_that_looks_at_numbers_is_made_at_every_run(kept: Path) -> None:
    def looking() -> jax.Array:
        number = jnp.arange(3.0)
        return number if float(number[2]) == 2 else -number

    with persistent_cache():
        assert [kept_value(looking)[1], kept_value(looking)[1]] == [1, 1]
    assert not files(kept)


def test_what_the_call_raises_is_its_own_error() -> None:
    def wrong() -> jax.Array:
        msg = "no weights"
        raise KeyError(msg)

    with persistent_cache(), pytest.raises(KeyError, match="no weights"):
        kept_value(wrong)


def test_a_file_that_was_cut_short_is_written_again(kept: Path) -> None:
    counted = Counted(lambda: jnp.arange(9.0))
    with persistent_cache():
        kept_value(counted)
        (path,) = files(kept)
        whole = path.read_bytes()
        path.write_bytes(whole[:-8])
        assert kept_value(counted)[8] == 8
    assert (counted.made, path.read_bytes()) == (2, whole)


def test_numbers_that_numpy_draws_are_those_that_the_call_draws_without_a_cache(kept: Path) -> None:
    def drawn() -> jax.Array:
        return jnp.asarray(np.random.rand(3), jnp.float32)

    found: list[tuple[Any, float]] = []
    for _ in range(2):
        np.random.seed(5)
        with persistent_cache():
            value = kept_value(drawn)
        found.append((value, np.random.rand()))
    np.random.seed(5)
    plain = drawn(), np.random.rand()
    assert len(files(kept)) == 1
    for value, following in found:
        np.testing.assert_array_equal(value, plain[0])
        assert following == plain[1]


@pytest.mark.parametrize(
    "make", [lambda: (jnp.ones(2), np.ones(2)), lambda: (jnp.ones(2), jax.random.key(0)), lambda: (jnp.ones(2), 3)]
)
def test_what_is_no_array_of_jax_is_not_kept(make: Callable[[], Any], kept: Path) -> None:
    with persistent_cache():
        kept_value(make)
    assert not files(kept)


def test_large_values_are_not_kept(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "LARGEST_VALUE", 15)
    with persistent_cache():
        kept_value(lambda: jnp.ones(4, jnp.float32))
        assert not files(kept)
        kept_value(lambda: jnp.ones(3, jnp.float32))
    assert len(files(kept)) == 1
