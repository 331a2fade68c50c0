"""Callbacks into Python (``jax.pure_callback``): what they raise, and where, and whether they repeat themselves.

A compiled program says neither which of its rows a callback refused nor that it gave another answer the last time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.claims import Pair, Params
from eqprop.engine import (
    PURE,
    Each,
    Precision,
    Tree,
    calls_back,
    equal,
    gradient,
    leaf_paths,
    not_repeatable,
    numbers_context,
    traced,
)
from eqprop.errors import InvalidInput, Stalled
from eqprop.probes import Probe, cast_example

PRINTED = 48
"""Numbers of a probe that are told one by one; of more the range of each tensor is."""

OF_NO_PROBE = (
    "no probe by itself makes it raise: where vmap_method is 'expand_dims' or 'broadcast_all', a callback is given "
    "arrays with an axis more in front"
)


@dataclass(frozen=True)
class _Part:
    """A function of a pair, of a probe.

    Attributes:
        what: its name.
        order: of the derivative that it is.
        needs: fields of the probe.
        function: of a probe without a leading axis.
    """

    what: str
    order: int
    needs: tuple[str, ...]
    function: Callable[[Probe], Tree]


def has_callbacks(pair: Pair, precision: Precision) -> bool:
    """Whether the model or its gradient call back into Python."""
    with numbers_context(precision):
        params, inputs = cast_example(pair, precision)
        example = Probe(params=pair.model.param_leaves.split(params), inputs=inputs)
        parts = [part for part in _parts(pair) if "element" not in part.needs]
        return any(calls_back(jax.make_jaxpr(part.function)(example)) for part in parts)


def check_repeatable(pair: Pair, precision: Precision, probes: Probe, order: int) -> None:
    """Of a pair with callbacks: its functions give the same each time, at every probe of a batch.

    Args:
        pair: whose functions are run twice.
        precision: of the numbers.
        probes: with a leading axis.
        order: of the highest derivative that is asked for.

    Raises:
        InvalidInput: naming the function that does not.
    """
    with numbers_context(precision):
        for part, call, given in _at_probes(pair, probes, order):
            try:
                found, again = call(given), call(given)
            except Stalled:
                raise
            except Exception:  # noqa: BLE001 - what raises here raises in the properties that ask for it
                continue
            if not equal(found, again):
                raise InvalidInput(not_repeatable(part.what, PURE))


def where_raised(pair: Pair, precision: Precision, probes: Probe, order: int) -> str:
    """At which probe of a batch a function of the pair raises, with its numbers; else what to look at instead.

    Args:
        pair: of which some property raised.
        precision: of the numbers.
        probes: at which it did, with a leading axis.
        order: of that property.
    """
    with numbers_context(precision):
        for part, call, given in _at_probes(pair, probes, order):
            refused = (i for i in range(probes.count) if _raises(call, given.at(slice(i, i + 1))))
            found = next(refused, None)
            if found is not None:
                return f"{part.what} raises it at {_numbers(pair, probes.at(found))}"
    return OF_NO_PROBE


def _parts(pair: Pair) -> tuple[_Part, ...]:
    model, image, leaves, t = pair.model, pair.image, pair.model.param_leaves, pair.transformation

    def apply(probe: Probe) -> Tree:
        return model.apply(leaves.join(probe.params), probe.inputs)

    def moved(probe: Probe) -> Tree:
        params = t.on_params(probe.element, leaves.join(probe.params))
        return image.apply(params, t.on_inputs(probe.element, probe.inputs))

    def slope(probe: Probe) -> Tree:
        def total(params: Params) -> Tree:
            outputs = model.apply(leaves.join(params), probe.inputs)
            summed = sum(jnp.sum(leaf) for leaf in jax.tree.leaves(outputs))
            return summed if model.loss is None else model.loss(outputs)

        return gradient(total)(probe.params)

    at = ("params", "inputs")
    return (
        _Part(f"model {model.name!r}: apply", 0, at, apply),
        _Part(f"model {image.name!r}: apply, moved by the element,", 0, (*at, "element"), moved),
        _Part(f"model {model.name!r}: the gradient", 1, at, slope),
    )


def _at_probes(pair: Pair, probes: Probe, order: int) -> Iterator[tuple[_Part, Each, Probe]]:
    """Each function, a call of it at rows of probes, and the rows, of those whose fields are drawn."""
    for part in _parts(pair):
        given = probes.only(frozenset(part.needs))
        if part.order <= order and all(getattr(given, field) is not None for field in part.needs):
            yield part, Each(part.what, traced(part.function, given.at(0))), given


def _raises(call: Each, probe: Probe) -> bool:
    try:
        call(probe)
    except Stalled:
        raise
    except Exception:  # noqa: BLE001 - whatever it raises has been said before
        return True
    return False


def _numbers(pair: Pair, probe: Probe) -> str:
    """Parameters, inputs and element of a probe, in one line."""
    given = {
        "params": (pair.model.param_leaves.float_paths, probe.params),
        "inputs": (leaf_paths(probe.inputs), jax.tree.leaves(probe.inputs)),
        "element": (leaf_paths(probe.element), jax.tree.leaves(probe.element)),
    }
    whole = sum(int(np.size(leaf)) for _, leaves in given.values() for leaf in leaves) <= PRINTED
    return ", ".join(f"{name} = {_tree(paths, leaves, whole)}" for name, (paths, leaves) in given.items() if leaves)


def _tree(paths: Sequence[str], leaves: Sequence[Tree], whole: bool) -> str:
    told = [_leaf(np.asarray(leaf), whole) for leaf in leaves]
    if list(paths) == ["."]:
        return told[0]
    return f"{{{', '.join(f'{path!r}: {text}' for path, text in zip(paths, told, strict=True))}}}"


def _leaf(leaf: np.ndarray, whole: bool) -> str:
    if whole or not leaf.size:
        return repr(leaf.tolist())
    return f"{leaf.shape} from {leaf.min()} to {leaf.max()}"
