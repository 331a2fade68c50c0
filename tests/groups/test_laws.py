"""The laws of groups: every group keeps them, and one of the user's own may be put through them."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event
from typing import Any

import jax
import numpy as np
import pytest

from eqprop import groups
from eqprop.engine import watchdog
from eqprop.errors import InvalidInput, Stalled
from eqprop.groups import LieGroup, check_laws
from tests.groups.every import ALL


@pytest.mark.parametrize("name", ALL)
def test_every_group_keeps_the_laws(name: str) -> None:
    check_laws(ALL[name])


def test_the_trivial_group_draws_its_one_element() -> None:
    group = groups.Trivial()
    rng = np.random.default_rng(0)
    assert group.trivial
    assert not list(group.simple())
    assert np.array_equal(group.sample(rng, 1.0), group.identity())


@pytest.mark.parametrize("seed", range(5))
def test_ill_conditioned_matrices_raise_no_false_alarm(seed: int) -> None:
    check_laws(groups.GeneralLinear(4), seed=seed)


@dataclass(frozen=True)
class Heisenberg(LieGroup):
    """A user's own group, without action, simple elements or tangent: (a, b, c)·(x, y, z) = (a+x, b+y, c+z+ay)."""

    def identity(self) -> Any:
        return {"ab": np.zeros(2), "c": np.zeros(())}

    def compose(self, first: Any, second: Any) -> Any:
        return {"ab": first["ab"] + second["ab"], "c": first["c"] + second["c"] + first["ab"][0] * second["ab"][1]}

    def inverse(self, element: Any) -> Any:
        return {"ab": -element["ab"], "c": element["ab"][0] * element["ab"][1] - element["c"]}

    def sample(self, rng: np.random.Generator, reach: float) -> Any:
        return {"ab": reach * rng.standard_normal(2), "c": reach * rng.standard_normal()}

    def zero(self) -> Any:
        return self.identity()

    def sample_algebra(self, rng: np.random.Generator) -> Any:
        return self.sample(rng, 1.0)

    def exp(self, algebra: Any) -> Any:
        return {"ab": algebra["ab"], "c": algebra["c"] + algebra["ab"][0] * algebra["ab"][1] / 2}


def test_a_group_of_the_users_own_passes() -> None:
    check_laws(Heisenberg())


@pytest.mark.parametrize("count", [0, 1, True, 2.0])
def test_a_count_below_two_is_refused(count: Any) -> None:
    with pytest.raises(InvalidInput, match="check_laws: count is"):
        check_laws(groups.Sign(1), count=count)


def test_what_is_no_group_is_refused() -> None:
    with pytest.raises(InvalidInput, match="check_laws: got 3; expected a Group"):
        check_laws(3)  # pyright: ignore[reportArgumentType]


def test_a_group_that_stands_still_is_given_up_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LIMIT", 1.0)
    monkeypatch.setattr(watchdog, "POLL", 0.2)
    never = Event()

    class Waiting(groups.Scaling):
        def compose(self, first: Any, second: Any) -> Any:
            def wait(element: Any) -> Any:
                never.wait()
                return np.asarray(element)

            promised = jax.ShapeDtypeStruct((self.n,), np.float64)
            return jax.pure_callback(wait, promised, first * second, vmap_method="sequential")

    with pytest.raises(Stalled, match=r"the program of the laws of .*Waiting\(n=2\) stood still"):
        check_laws(Waiting(2))
    never.set()
