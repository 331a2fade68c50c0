"""Symmetries of attention: heads that change places, queries against keys, values against outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from eqprop.actions import attention_heads, combined, experts, hidden_units
from eqprop.claims import Transformation
from eqprop.groups import ComplexLinear, ComplexScaling, DirectSum, GeneralLinear, Group, Power, Scaling
from eqprop.transformers.anatomy import Anatomy, Tensor
from eqprop.transformers.forms import Family, Form
from eqprop.transformers.heads import Heads, heads_of
from eqprop.transformers.views import Part, seen_through

PAIRINGS = ("halves", "interleaved")


def _permuted(anatomy: Anatomy) -> Iterator[Form]:
    """Heads, with their keys and values, and the queries that share these, in another order."""
    for heads in heads_of(anatomy):
        parts = {**heads.parts, **_others_by_head(anatomy, heads)}
        groups = experts(heads.count, dict.fromkeys(parts, 0), name="heads")
        members = {name: 1 for name in parts if name.rpartition("/")[2] in ("q", "qb", "o", "qg")}
        moved, text = [groups], f"S_{heads.count}"
        if heads.group > 1:
            moved.append(experts(heads.group, members, name="members"))
            text = f"S_{heads.count} × S_{heads.group}"
        if heads.count == 1:
            moved, text = moved[1:], f"S_{heads.group}"
        yield Form(text, seen_through(parts, combined(*moved, name="heads")))


def _others_by_head(anatomy: Anatomy, heads: Heads) -> dict[str, Part]:
    """What else a head has: gains of norms over all queries or keys, gates, sinks. It moves with its head."""
    by_query = (heads.count, heads.group, heads.width)
    shapes: dict[int, tuple[int, ...]] = {
        heads.count * heads.width: (heads.count, heads.width),
        heads.count * heads.group * heads.width: by_query,
        heads.count * heads.group: by_query[:2],
    }
    known = {part.path for part in heads.parts.values()}
    others = [t for t in anatomy.tensors if t.in_attention and t.path not in known and t not in anatomy.outputs]
    found: dict[str, Part] = {}
    for tensor in others:
        axis = 1 if type(tensor.owner).__name__ == "Conv1D" else 0
        shape = shapes.get(tensor.shape[axis] if tensor.shape else 0)
        if shape is not None:
            kind = "qg" if shape[1:2] == by_query[1:2] and shape != (heads.count, heads.width) else "kg"
            found[f"{tensor.path}/{kind}"] = Part(tensor.path, axis, np.arange(np.prod(shape)).reshape(shape))
    return found


def _values(anatomy: Anatomy) -> Iterator[Form]:
    """v ↦ M v and O ↦ O M⁻¹ in every head, M ∈ GL(width)."""
    for heads in heads_of(anatomy):
        parts = heads.named("v", "vb", "o")
        values = {name: (0, 1) for name in parts if not name.endswith("/o")}
        circuit = attention_heads(heads.count, heads.width, values=values, outputs={"*/o": (0, 2)}, name="values")
        yield Form(f"GL({heads.width})", seen_through(parts, circuit))


def _circuits(anatomy: Anatomy) -> Iterator[Form]:
    """Queries against keys, the largest group first: all of GL, then what a rotary table leaves."""
    readings = list(heads_of(anatomy))
    for heads in readings:
        yield Form(f"GL({heads.width})", _circuit(heads, GeneralLinear(heads.width), np.arange(heads.width)))
    for heads, (turned, pairing) in product(readings, _tables(anatomy)):
        if 0 < turned <= heads.width:
            order, group, text = _left(anatomy, heads.width, turned, pairing)
            yield Form(text, _circuit(heads, group, order))
    for heads in readings:
        yield from _traded(anatomy, heads)


def _circuit(heads: Heads, group: Group, order: np.ndarray) -> Transformation:
    parts = heads.ordered(order).named("q", "qb", "k", "kb")
    queries = {name: (0, 2) for name in parts if name.rpartition("/")[2].startswith("q")}
    keys = {name: (0, 1) for name in parts if name not in queries}
    circuit = attention_heads(heads.count, heads.width, queries=queries, keys=keys, group=group, name="queries")
    return seen_through(parts, circuit)


def _tables(anatomy: Anatomy) -> Iterator[tuple[int, str]]:
    """How many units of a head may be turned by their position, and which of them are pairs."""
    lengths = [2 * table.size for table in anatomy.buffers("inv_freq")]
    lengths += [
        value
        for name in ("rotary_dim", "rotary_ndims")
        if isinstance(value := getattr(anatomy.config, name, None), int)
    ]
    lengths += [heads.width for heads in heads_of(anatomy)]
    yield from product(dict.fromkeys(lengths), PAIRINGS)


def _left(anatomy: Anatomy, width: int, turned: int, pairing: str) -> tuple[np.ndarray, Group, str]:
    """What commutes with the rotations: an order of the units, the group on them in this order, and its name.

    Pairs that turn alike are complex units between which any complex map is free; those that do not turn at all are
    free with the units that no table reaches.
    """
    pairs = np.arange(turned).reshape(2, -1).T if pairing == "halves" else np.arange(turned).reshape(-1, 2)
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


def _traded(anatomy: Anatomy, heads: Heads) -> Iterator[Form]:
    """Gains of norms on queries and keys: what the one is multiplied by, the other is divided by."""
    gains = [t for t in _gains(anatomy) if _shape(heads, t) is not None]
    if not any(_is_of(t, "q") for t in gains) or not any(_is_of(t, "k") for t in gains):
        return
    orders = {"channel": np.arange(heads.width).reshape(1, -1)}
    for turned, pairing in _tables(anatomy):
        if turned == heads.width:
            halves = np.arange(turned).reshape(2, -1)
            orders[f"pair, {pairing}"] = halves if pairing == "halves" else np.arange(turned).reshape(-1, 2).T
    for (what, order), offset in product(orders.items(), (0.0, 1.0)):
        stored = " of 1 + γ" if offset else ""
        yield Form(f"norms: gains trade per {what}{stored}", _trade(heads, gains, order, offset))


def _gains(anatomy: Anatomy) -> Sequence[Tensor]:
    return [t for t in anatomy.tensors if t.in_attention and t.is_norm and (_is_of(t, "q") or _is_of(t, "k"))]


def _is_of(gain: Tensor, kind: str) -> bool:
    name = {"q": ("q_", "query_"), "k": ("k_", "key_")}[kind]
    return any(part.startswith(name) for part in gain.rest.split("."))


def _shape(heads: Heads, gain: Tensor) -> tuple[int, ...] | None:
    """The axes before the units: none where all heads share the gain."""
    shapes: dict[tuple[int, ...], tuple[int, ...]] = {
        (heads.width,): (),
        (heads.count * heads.width,): (heads.count,),
        (heads.count * heads.group * heads.width,): (heads.count, heads.group),
    }
    return shapes.get(gain.shape)


def _trade(heads: Heads, gains: Sequence[Tensor], order: np.ndarray, offset: float) -> Transformation:
    pairs = order.shape[1]
    parts: dict[str, Part] = {}
    for gain in gains:
        before = _shape(heads, gain) or ()
        entries = np.arange(gain.shape[0]).reshape(*before, heads.width)[..., order]
        kind = "q" if _is_of(gain, "q") else "k"
        parts[f"{gain.path}/{kind}"] = Part(gain.path, 0, entries, offset=offset)
    own = any(_shape(heads, gain) for gain in gains)
    axis = {
        name: (0, part.entries.ndim - 1) if own else part.entries.ndim - 1
        for name, part in parts.items()
        if part.entries is not None
    }
    traded = hidden_units(
        Power(Scaling(pairs), heads.count) if own else Scaling(pairs),
        writes={name: a for name, a in axis.items() if name.endswith("/q")},
        reads={name: a for name, a in axis.items() if name.endswith("/k")},
        name="gains",
    )
    return seen_through(parts, replace(traded))


def _why_heads(anatomy: Anatomy) -> str:
    if getattr(anatomy.config, "alibi", False) or "alibi" in str(vars(anatomy.config)).lower():
        return "ALiBi: each head has a slope of its own"
    return _attention_of_its_own(anatomy)


def _why_values(anatomy: Anatomy) -> str:
    if any(t.in_attention and t.is_norm and "v_" in t.rest for t in anatomy.tensors):
        return "a norm on the values"
    return _attention_of_its_own(anatomy)


def _why_queries(anatomy: Anatomy) -> str:
    if _gains(anatomy):
        return "norms on queries and keys, with gains that do not trade"
    return _attention_of_its_own(anatomy)


def _attention_of_its_own(anatomy: Anatomy) -> str:
    """Tensors of attention that no part of ours is of."""
    known = {part.path for heads in heads_of(anatomy) for part in heads.parts.values()}
    others = [t for t in anatomy.tensors if t.in_attention and t.path not in known and t not in anatomy.outputs]
    names = list(dict.fromkeys(t.rest.partition(".")[2] for t in others))
    return f"attention has further tensors, {', '.join(names[:3])}" if names else ""


NONE = "no attention whose queries, keys and values have shapes that are known here"
HEADS = Family("heads permuted", _permuted, NONE, _why_heads)
QUERIES = Family("query–key", _circuits, NONE, _why_queries)
VALUES = Family("value–output", _values, NONE, _why_values)
