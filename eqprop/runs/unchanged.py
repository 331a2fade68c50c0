"""Whether a pair is what it was when a ledger was written: by a digest of all that its verdicts depend on.

That is what is traced of f, the loss, K, T, X and the charge, with the derivatives of each; the numbers of the example,
the group, the settings of the run, and the versions and the source underneath. Where something of it cannot be told (a
callback into Python, a strategy that draws, a group or a property of one's own, a domain in NumPy), the pair is
verified.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Collection, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from hypothesis import strategies as st

from eqprop.claims import Model, Pair
from eqprop.engine import Tree, Untold, array_text, function_text, numbers_context, repr_text
from eqprop.evaluation import surroundings
from eqprop.groups import Group, LieGroup
from eqprop.probes import cast_example
from eqprop.properties import KNOWN
from eqprop.results import Outcome, PairName, PropertyName, Verdict
from eqprop.search import Options, SearchTask, simplest

PACKAGES = ("hypothesis", "scipy")
"""Those that verdicts depend on besides what every program does."""

UNCHANGED = "its traced program, the settings and the versions are those of the ledger; it held then"
IDLE = "it did not apply when the ledger was written, and nothing changed since"


class Told:
    """What was told of models, for other pairs of the same ones in one run: nothing changes in between."""

    def __init__(self) -> None:
        self._models: dict[int, tuple[Model, str, Tree]] = {}

    def of(self, model: Model, tell: Callable[[], tuple[str, Tree]]) -> tuple[str, Tree]:
        """What is told of a model, and outputs of it, as they were before.

        Args:
            model: itself; another one that is equal is told again.
            tell: does so.
        """
        if id(model) not in self._models:  # it is kept, so that no other has its id
            self._models[id(model)] = model, *tell()
        _, text, outputs = self._models[id(model)]
        return text, outputs


def digest(task: SearchTask, options: Options, told: Told | None = None) -> str:
    """What a task's verdicts depend on, in a few characters; empty where some of it cannot be told.

    A failure that is known is never taken for unchanged: it is tried again.

    Args:
        task: of the pair.
        options: of the run.
        told: of models of the same run, with the same options.
    """
    if task.control or task.known_failures or task.baseline:
        return ""
    try:
        with numbers_context(options.precision):
            parts = "\n".join([*_of_run(task, options), *_of_task(task, options, told or Told())])
    except Untold:
        return ""
    except Exception:  # noqa: BLE001 - what a model raises is for its verification to say, which it then gets
        return ""
    return "" if " at 0x" in parts else hashlib.sha256(parts.encode()).hexdigest()[:32]


def as_kept(
    task: SearchTask, options: Options, kept: str, applying: Collection[str], told: Told | None = None
) -> tuple[Verdict, ...] | None:
    """The verdicts of a pair that is what it was; None where it must be verified.

    Args:
        task: of the pair.
        options: of the run.
        kept: the digest that the ledger has; empty for none.
        applying: the properties that it says apply.
        told: of models of the same run, with the same options.
    """
    if not (kept and applying) or digest(task, options, told) != kept:
        return None
    return tuple(
        Verdict(
            PairName(task.name),
            PropertyName(prop.name, prop.order),
            Outcome.UNCHANGED if prop.name in applying else Outcome.NOT_APPLICABLE,
            UNCHANGED if prop.name in applying else IDLE,
        )
        for prop in options.properties
    )


def _of_run(task: SearchTask, options: Options) -> Iterator[str]:
    if not set(options.properties) <= set(KNOWN):
        msg = "a property of one's own"
        raise Untold(msg)
    yield surroundings()
    yield _versions()
    yield repr((task.name, task.address, sorted(task.allowed.items())))
    settings = (options.profile, options.seed, options.precision, options.evaluator, options.unseen, options.max_time)
    yield repr((settings, [prop.name for prop in options.properties]))


@cache
def _versions() -> str:
    return repr([platform.python_version(), *map(version, PACKAGES)])


def _of_task(task: SearchTask, options: Options, told: Told) -> Iterator[str]:
    if task.built_in:  # a function of this package's source, which is in the surroundings
        return
    if not isinstance(task.pairs, type(st.just(None))):
        msg = "it is drawn"
        raise Untold(msg)
    yield from _of_pair(simplest(task.pairs), options, told)


def _of_pair(pair: Pair, options: Options, told: Told) -> Iterator[str]:
    if pair.known_failures:
        msg = "it is known to fail"
        raise Untold(msg)
    move, order = pair.transformation, max(2, *(prop.order for prop in options.properties))
    yield repr((pair.name, sorted(pair.architecture.items()), sorted(pair.allow_inconclusive.items())))
    yield repr((move.name, move.side, move.isometry))
    yield _group(move.group)
    params, inputs = cast_example(pair, options.precision)
    element = move.group.sample(np.random.default_rng(0), 1.0)

    def traced(function: Callable[..., Tree], *arguments: Tree) -> str:
        return function_text(function, arguments, order)

    text, outputs = told.of(pair.model, lambda: _of_model(pair.model, params, inputs, traced))
    yield text
    for function, point in ((move.on_params, params), (move.on_outputs, outputs), (move.on_inputs, inputs)):
        yield traced(function, element, point)
    if move.charge is not None and isinstance(move.group, LieGroup):
        yield traced(move.charge, move.group.zero(), params)
    if move.defect is not None and isinstance(move.group, LieGroup):
        yield traced(move.defect, move.group.zero(), params, inputs)
    if pair.target is not None:
        yield _of_model(pair.target, move.on_params(element, params), move.on_inputs(element, inputs), traced)[0]


def _of_model(model: Model, params: Tree, inputs: Tree, traced: Callable[..., str]) -> tuple[str, Tree]:
    """What is traced of a model, and the numbers of its example, as they were given; and outputs, all of them ones."""
    outputs = jax.eval_shape(model.apply, params, inputs)
    outputs = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), outputs)
    leaves, treedef = jax.tree.flatten((model.params, model.inputs))
    told = [repr((model.name, model.trained, model.state)), repr_text(treedef), *map(array_text, leaves)]
    told.append(traced(model.apply, params, inputs))
    if model.loss is not None:
        told.append(traced(model.loss, outputs))
    if model.domain is not None:
        told.append(traced(model.domain, params))
    return "\n".join(told), outputs


def _group(group: Any) -> str:
    """A group of this package, by what it is made of; of one's own nobody knows how it draws."""
    if not (type(group).__module__.startswith("eqprop.") and is_dataclass(group)):
        msg = "a group of one's own"
        raise Untold(msg)
    return f"{type(group).__qualname__}({', '.join(_field(getattr(group, f.name)) for f in fields(group))})"


def _field(value: Any) -> str:
    if isinstance(value, Group):
        return _group(value)
    if isinstance(value, tuple):
        every: tuple[Any, ...] = value
        return f"({', '.join(map(_field, every))})"
    return repr_text(value)
