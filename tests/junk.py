"""Values of every type that somebody may pass by mistake, for tests of what is then said."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eqprop import groups
from eqprop.errors import EqpropError, Falsified


class Hostile:
    """An object of which nothing can be asked."""

    def __repr__(self) -> str:
        msg = "no repr"
        raise RuntimeError(msg)

    def __eq__(self, other: object) -> bool:
        msg = "no comparison"
        raise RuntimeError(msg)

    def __hash__(self) -> int:
        msg = "no hash"
        raise TypeError(msg)

    def __bool__(self) -> bool:
        msg = "no truth"
        raise RuntimeError(msg)


class Compliant:
    """An object that has every attribute, and can be called with everything."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self


def itself() -> list[Any]:
    """A list that holds itself."""
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


TEXTS = ["a\0b", "\ud800", "θ", "x" * 300, "a\nb", "*", "a (b", ":", "catalog:", "noether", "w", "halves", "0x1", "１"]
arrays: list[Any] = [np.int64(1), np.float32(2), np.True_, np.ones(2), np.ones(0), np.ones((2, 3)), np.array(3), 1j]
arrays += [np.array(["a"]), np.array([None, 1], dtype=object), np.ones(2) * 1j, np.datetime64("2020-01-01")]
objects: list[Any] = [groups.Sign, groups.Sign(3), groups.Scaling(3), print, len, int, dict, sys, Path("/nowhere"), ...]
objects += [lambda: None, lambda *a, **k: a, [[1], [1, 2]], itself(), range(3), st.integers(), frozenset({1}), object()]

PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 5),
    st.sampled_from([2**70, -(2**70)]),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(TEXTS),
    st.binary(max_size=3),
    st.sampled_from(arrays),
    st.builds(lambda: jnp.ones(2)),
    st.builds(Hostile),
    st.builds(Compliant),
    st.sampled_from(objects),
)
KEYS = st.one_of(st.sampled_from("wbv"), st.text(max_size=2), st.integers(0, 2), st.none())
JUNK: st.SearchStrategy[Any] = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.tuples(inner, inner), st.dictionaries(KEYS, inner, max_size=2)
    ),
    max_leaves=4,
)


def said_of(call: Callable[[], object]) -> str:
    """What eqprop says of a call, in one line; empty where it can be made. What else is raised goes through."""
    try:
        call()
    except Falsified:
        return ""
    except EqpropError as error:
        said = str(error)
        assert said.strip()
        assert "\n" not in said
        return said
    return ""


class WrongVerdictError(AssertionError):
    """What is right was falsified, or what is wrong holds."""


class LostResultError(AssertionError):
    """A cell, a counterexample, a report or a kept file that is gone."""


@dataclass(frozen=True, eq=False)
class Fed:
    """Where junk is put, and what is then to be seen.

    Attributes:
        name: in figures.
        places: for junk; each is visited in turn.
        junk: what is put there.
        feed: puts one into a place; raises where the answer is a traceback, a wrong verdict or a lost result.
    """

    name: str
    places: Sequence[Any]
    junk: st.SearchStrategy[Any]
    feed: Callable[[Any, Any], None]

    def fed(self, count: int) -> None:
        """Put junk into a number of places at random; what is wrong there is raised, shrunk."""
        every = st.sampled_from(self.places)

        @settings(
            max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(place=every, junk=self.junk)
        def feed_one(place: Any, junk: Any) -> None:
            self.feed(place, junk)

        feed_one()

    def drawn(self, count: int) -> list[tuple[Any, Any]]:
        """A number of places with junk for each: all in turn."""
        found: list[tuple[Any, Any]] = []

        @settings(
            max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(junk=self.junk)
        def draw_one(junk: Any) -> None:
            found.append((self.places[len(found) % len(self.places)], junk))

        while len(found) < count:  # hypothesis ends early where few values are
            draw_one()
        return found[:count]
