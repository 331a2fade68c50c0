"""Programs kept between runs are found again as they were, and only where their name says all that they compute."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

import eqprop
from eqprop.claims import Pair
from eqprop.engine import persistent_cache
from eqprop.evaluation import Choice, Program, Slot, applicable, traced_programs
from eqprop.evaluation.row import Row
from eqprop.evaluation.traced_programs import keepable
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import CORE
from eqprop.registry import Entry, entries, entry
from eqprop.runs import as_tasks
from eqprop.runs.targets import resolve


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EQPROP_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("EQPROP_CACHE", raising=False)
    return tmp_path


@pytest.fixture(autouse=True)
def _as_users_write_models():
    with jax.numpy_rank_promotion("allow"):
        yield


def pair_of(name: str, count: int = 4) -> Pair:
    return drawn(entry(name), count)[-1]


def drawn(of: Entry, count: int) -> list[Pair]:
    found: list[Pair] = []

    @seed(3)
    @settings(max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(of.pairs)
    def collect(pair: Pair) -> None:
        found.append(pair)

    collect()
    return found


def program(pair: Pair, slot: Slot | None, evaluator: Choice = "xla") -> Program:
    return Program(pair, applicable(pair, CORE), SQUARED_ERROR, evaluator=evaluator, slot=slot)


def kept(folder: Path) -> list[Path]:
    return [*folder.glob("traced-*"), *folder.glob("row-*")]


BOTH = pytest.mark.parametrize("evaluator", ["xla", "numpy"])


@BOTH
@pytest.mark.parametrize("name", ["relu-rescaling", "layernorm-scale", "odd-mirror"])
def test_a_program_that_is_found_again_is_not_traced_and_says_the_same(name, evaluator, folder, monkeypatch):
    pair = pair_of(name)
    with persistent_cache():
        first = program(pair, Slot(("it",)), evaluator)
        monkeypatch.setattr(Row, "sides", lambda *_: pytest.fail("traced again"))
        again = program(pair, Slot(("it",)), evaluator)
    assert len(kept(folder)) == 1
    assert (again.reverse_only, again.eps, again.lowest) == (first.reverse_only, first.eps, first.lowest)
    probes = first.draw(np.random.default_rng(0), 8)
    for name_of, sides in first.evaluate(probes).items():
        np.testing.assert_array_equal(np.concatenate(again.evaluate(probes)[name_of], 1), np.concatenate(sides, 1))
        compared = again.compare(name_of, probes.at(0))
        assert compared.names == first.compare(name_of, probes.at(0)).names
    judged = [each.judge(probes, np.random.default_rng(1)) for each in (first, again)]
    for name_of, found in judged[0].items():
        np.testing.assert_array_equal(judged[1][name_of].floor, found.floor)


@BOTH
def test_a_file_that_was_cut_short_is_traced_again(evaluator, folder):
    pair = pair_of("relu-rescaling")
    with persistent_cache():
        program(pair, Slot(("it",)), evaluator)
        (path,) = kept(folder)
        path.write_bytes(path.read_bytes()[:2000])
        judged = program(pair, Slot(("it",)), evaluator)
    assert judged.eps
    assert path.stat().st_size > 2000


@BOTH
def test_a_disk_that_refuses_costs_the_file_and_not_the_program(evaluator, folder, monkeypatch):
    def refuse(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with persistent_cache():
        monkeypatch.setattr(Path, "write_bytes", refuse)
        assert program(pair_of("relu-rescaling"), Slot(("it",)), evaluator).eps
    assert not kept(folder)


def test_a_program_that_calls_lapack_is_traced_by_every_process(folder):
    pair = pair_of("relu-rescaling")
    whitened = eqprop.Model(
        lambda p, x: (y := pair.model.apply(p, x)) @ jnp.linalg.inv(jnp.eye(y.shape[-1]) + y.T @ y),
        pair.model.params,
        pair.model.inputs,
    )
    with persistent_cache():
        assert program(pair.replaced(model=whitened), Slot(("it",))).eps
    assert not kept(folder)


@pytest.mark.parametrize("name", ["linear-gl", pytest.param("rope-equal-frequencies", marks=pytest.mark.slow)])
def test_basis_changes_call_no_lapack_and_are_kept(name, folder):
    with persistent_cache():
        assert program(pair_of(name), Slot(("it",))).eps
    assert len(kept(folder)) == 1


X = np.eye(3) + 0.1
DECOMPOSITIONS = {
    "cholesky": jnp.linalg.cholesky,
    "eig": jnp.linalg.eigvals,
    "eigh": jnp.linalg.eigh,
    "hessenberg": jax.scipy.linalg.hessenberg,
    "inverse": jnp.linalg.inv,
    "lu": jax.scipy.linalg.lu_factor,
    "qr": jnp.linalg.qr,
    "schur": jax.scipy.linalg.schur,
    "solve": lambda x: jnp.linalg.solve(x, x),
    "svd": jnp.linalg.svd,
    "triangular": lambda x: jax.scipy.linalg.solve_triangular(x, x),
    "inside a loop": lambda x: jax.lax.fori_loop(0, 2, lambda _, y: jnp.linalg.inv(y), x),
    "none": lambda x: jnp.tanh(x @ x),
}


@pytest.mark.parametrize("name", DECOMPOSITIONS)
def test_whether_a_program_calls_lapack_is_seen_from_its_operations(name: str):
    traced = jax.jit(DECOMPOSITIONS[name]).trace(X)
    assert keepable(traced.jaxpr) == ("lapack_" not in traced.lower().as_text()) == (name == "none")


def test_another_version_of_the_source_is_another_slot(folder, monkeypatch):
    with persistent_cache():
        before = Slot(("it",)).path("row")
        assert before == Slot(("it",)).path("row") != Slot(("that",)).path("row")
        monkeypatch.setattr(traced_programs, "_source", lambda: "edited")
        assert Slot(("it",)).path("row") != before


def test_what_is_named_by_an_address_is_not_kept(folder):
    with persistent_cache():
        assert Slot((object(),)).path("row") is None


def test_nothing_is_kept_where_the_cache_is_off(folder):
    assert Slot(("it",)).path("row") is None


def test_only_the_entries_of_this_package_are_told_by_their_keys():
    assert all(task.built_in for task in resolve("catalog"))
    own = eqprop.Pair(
        eqprop.Model(lambda p, x: x @ p, np.ones((2, 2)), np.ones((1, 2))),
        eqprop.Transformation(eqprop.groups.Sign(1), lambda s, p: p),
    )
    assert not as_tasks(own)[0].built_in


@pytest.mark.parametrize("of", entries().values(), ids=entries())
def test_pairs_of_one_key_are_one_program(of: Entry):
    found: dict[str, list[Pair]] = defaultdict(list)
    for pair in drawn(of, 40):
        assert " at 0x" not in repr(pair.key)
        found[repr(pair.key)].append(pair)
    for pairs in found.values():
        if len(pairs) > 1:  # one alone has nothing to differ from
            first, *others = map(programs, pairs[:MANY])
            assert all(other == first for other in others)


MANY = 3
"""Pairs of one key that are traced: what differs where the key does not is drawn anew each time."""


def programs(pair: Pair) -> str:
    """What the model and the transformation do, traced anew: JAX remembers what it saw of a function."""
    element = pair.transformation.group.sample(np.random.default_rng(0), 0.5)
    model = jax.make_jaxpr(partial(pair.model.apply))(pair.model.params, pair.model.inputs)
    moved = jax.make_jaxpr(partial(pair.transformation.on_params))(element, pair.model.params)
    return f"{model} {moved}"
