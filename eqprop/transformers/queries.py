"""Queries against keys: what a softmax of q·k leaves, with rotary positions, norms, and keys that heads share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product

import numpy as np

from eqprop.actions import attention_heads, combined, hidden_units
from eqprop.claims import Transformation
from eqprop.groups import ComplexLinear, ComplexScaling, DirectSum, GeneralLinear, Group, Power, Scaling
from eqprop.transformers.anatomy import Anatomy, Tensor
from eqprop.transformers.forms import Form
from eqprop.transformers.heads import Heads
from eqprop.transformers.roles import norms_on, role
from eqprop.transformers.views import Part, seen_through

PAIRINGS = ("halves", "interleaved")


def circuits(anatomy: Anatomy, readings: list[Heads]) -> Iterator[Form]:
    """The largest group first: all of GL, then what a rotary table leaves, then what norms leave."""
    for heads in readings:
        if heads.turned:
            yield from _beside_shared(anatomy, heads)
        else:
            yield Form(f"GL({heads.width})", _circuit(heads, GeneralLinear(heads.width), np.arange(heads.width)))
    for heads, (turned, pairing) in product(readings, _tables(anatomy, readings[0].width)):
        if turned <= heads.width and not heads.turned:
            order, group, text = _left(anatomy, heads.width, turned, pairing)
            yield Form(text, _circuit(heads, group, order))
    for heads in readings:
        yield from _traded(anatomy, heads)


def _circuit(heads: Heads, group: Group, order: np.ndarray) -> Transformation:
    parts = heads.ordered(order, "q", "qb", "k", "kb")
    queries = {name: (0, 2) for name in parts if name.rpartition("/")[2].startswith("q")}
    keys = {name: (0, 1) for name in parts if name not in queries}
    circuit = attention_heads(heads.count, heads.width, queries=queries, keys=keys, group=group, name="queries")
    return seen_through(parts, circuit)


def _beside_shared(anatomy: Anatomy, heads: Heads) -> Iterator[Form]:
    """GL in each head; of what is turned one complex factor for each frequency, the same in all heads."""
    free = _circuit(heads, GeneralLinear(heads.width), np.arange(heads.width))
    for pairing in PAIRINGS:
        order, group, text = _left(anatomy, heads.turned, heads.turned, pairing)
        parts = heads.ordered(order, "r", "rb", "s", "sb")
        queries = {name: (1, 2) for name in parts if name.rpartition("/")[2].startswith("r")}
        keys = {name: (0, 1) for name in parts if name not in queries}
        shared = attention_heads(1, heads.turned, queries=queries, keys=keys, group=group, name="shared")
        both = combined(free, seen_through(parts, shared), name="queries")
        yield Form(f"GL({heads.width}) × {text}, the same in all heads", both)


def _tables(anatomy: Anatomy, width: int) -> Iterator[tuple[int, str]]:
    """How many units of a head may be turned by their position, and which of them are pairs."""
    lengths = [2 * table.size for table in anatomy.buffers("inv_freq")]
    lengths += [
        value
        for name in ("rotary_dim", "rotary_ndims")
        if isinstance(value := getattr(anatomy.config, name, None), int)
    ]
    yield from product((n for n in dict.fromkeys([*lengths, width - width % 2]) if 0 < n <= width), PAIRINGS)


def _left(anatomy: Anatomy, width: int, turned: int, pairing: str) -> tuple[np.ndarray, Group, str]:
    """What commutes with the rotations: an order of the units, the group on them in this order, and its name.

    Pairs that turn alike are complex units between which any complex map is free; those that do not turn at all are
    free with the units that no table reaches.
    """
    pairs = _pairs(turned, pairing)
    tables = [t for t in anatomy.buffers("inv_freq") if 2 * t.size == turned] or [np.arange(1.0, turned // 2 + 1)]
    speeds = [tuple(float(table.ravel()[i]) for table in tables) for i in range(turned // 2)]
    classes = {speed: [i for i, other in enumerate(speeds) if other == speed] for speed in dict.fromkeys(speeds)}
    still = [i for speed, members in classes.items() if not any(speed) for i in members]
    free = [*pairs[still].T.ravel(), *range(turned, width)]
    single = [m[0] for speed, m in classes.items() if any(speed) and len(m) == 1]
    several = [m for speed, m in classes.items() if any(speed) and len(m) > 1]
    order = [*pairs[single].T.ravel(), *(u for m in several for u in pairs[m].T.ravel()), *free]
    factors: list[tuple[Group, str]] = [(ComplexLinear(len(m), "halves"), f"GL({len(m)}, ℂ)") for m in several]
    if single:
        factors.insert(0, (ComplexScaling(len(single), "halves"), f"ℂ^{len(single)}"))
    if free:
        factors.append((GeneralLinear(len(free)), f"GL({len(free)})"))
    text = " × ".join(name for _, name in factors)
    group = factors[0][0] if len(factors) == 1 else DirectSum(*(g for g, _ in factors))
    return np.array(order, dtype=int), group, f"{text}, {pairing}" if single or several else text


def _pairs(turned: int, pairing: str) -> np.ndarray:
    """The two units of each pair."""
    return np.arange(turned).reshape(2, -1).T if pairing == "halves" else np.arange(turned).reshape(-1, 2)


def _traded(anatomy: Anatomy, heads: Heads) -> Iterator[Form]:
    """Gains of norms on queries and keys: what the one is multiplied by, the other is divided by."""
    gains = {kind: [t for t in heads.further if _is_gain(heads, t, kind)] for kind in ("query", "key")}
    if not all(gains.values()):
        return
    channels = np.arange(heads.width).reshape(1, -1)
    orders: dict[str, tuple[np.ndarray, ...]] = {"channel": (channels,)}
    for turned, pairing in _tables(anatomy, heads.width):
        rest = (channels[:, turned:],) * (turned < heads.width)
        beside = " and channel beside" if rest else ""
        orders[f"pair{beside}, {pairing}"] = (_pairs(turned, pairing).T, *rest)
    for (what, order), offset in product(orders.items(), (0.0, 1.0)):
        stored = " of 1 + γ" if offset else ""
        yield Form(f"norms: gains trade per {what}{stored}", _trade(heads, gains, order, offset))


def _is_gain(heads: Heads, tensor: Tensor, kind: str) -> bool:
    return role(heads, tensor) == f"{kind} norm" and _front(heads, tensor) is not None


def _front(heads: Heads, gain: Tensor) -> tuple[int, ...] | None:
    """The axes before the units: none where all heads share the gain."""
    queries, keys = (heads.count, heads.group), (heads.count,)
    fronts: dict[tuple[int, ...], tuple[int, ...]] = {
        (int(np.prod(front)) * heads.width,): front for front in ((), queries, keys)
    }
    return fronts.get(gain.shape)


def _trade(
    heads: Heads, gains: Mapping[str, Iterable[Tensor]], order: tuple[np.ndarray, ...], offset: float
) -> Transformation:
    """One factor for each column of an order."""
    own = any(_front(heads, gain) for found in gains.values() for gain in found)
    moved: list[Transformation] = []
    for units in order:
        parts: dict[str, Part] = {}
        axes: dict[str, dict[str, int | tuple[int, int]]] = {"query": {}, "key": {}}
        for kind, gain in ((kind, gain) for kind, found in gains.items() for gain in found):
            front = _front(heads, gain) or ()
            which = np.arange(gain.shape[0]).reshape(*front, heads.width)[..., units]
            shift = offset if gain.path.endswith("weight") else 0.0
            parts[f"{gain.path}/{kind}"] = Part(gain.path, 0, which, offset=shift)
            axes[kind][f"{gain.path}/{kind}"] = (0, which.ndim - 1) if own else which.ndim - 1
        each = Scaling(units.shape[1])
        group = Power(each, heads.count) if own else each
        moved.append(seen_through(parts, hidden_units(group, writes=axes["query"], reads=axes["key"], name="gains")))
    return moved[0] if len(moved) == 1 else combined(*moved, name="gains")


def why_queries(anatomy: Anatomy, heads: Heads) -> str:
    """What breaks all of these: a norm without gains leaves nothing to trade."""
    normed = [kind for kind in "qk" if norms_on(anatomy, heads, kind)]
    gains = [t for t in heads.further if role(heads, t) in ("query norm", "key norm")]
    return "norms on queries and keys, without gains" if normed and not gains else ""
