"""Symmetries of attention: heads that change places, values against outputs; what a network has and cannot be read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

import numpy as np

from eqprop.actions import attention_heads, combined, experts
from eqprop.transformers.anatomy import Anatomy
from eqprop.transformers.forms import Family, Form, nothing
from eqprop.transformers.heads import Heads, attentions
from eqprop.transformers.projections import axis_out
from eqprop.transformers.queries import circuits, why_queries
from eqprop.transformers.roles import norms_on, role, unknown
from eqprop.transformers.views import Part, seen_through

Readings = list[Heads]


def attention_families(anatomy: Anatomy) -> list[list[Family]]:
    """Heads permuted, query–key and value–output, each for every attention that the network has."""
    found = attentions(anatomy)
    return [
        [_family(name, readings, forms, why) for readings in found] or [Family(name, _none, ABSENT, nothing, _unread)]
        for name, forms, why in SYMMETRIES
    ]


def _family(name: str, readings: Readings, forms: Callable[..., Iterator[Form]], why: Callable[..., str]) -> Family:
    return Family(
        name,
        lambda anatomy: forms(anatomy, readings),
        ABSENT,
        lambda anatomy: why(anatomy, readings[0]),
        lambda anatomy: unknown(readings[0], _others_by_head(readings[0]) if forms is _permuted else {}) or UNSEEN,
        readings[0].place,
    )


def _permuted(anatomy: Anatomy, readings: Readings) -> Iterator[Form]:
    """Heads, with their keys and values, and the queries that share these, in another order."""
    for heads in readings:
        shared, tables = heads.named("s", "sb"), _tables(anatomy, heads)
        parts = {n: part for n, part in heads.parts.items() if n not in shared} | _others_by_head(heads) | tables
        groups = experts(heads.count, dict.fromkeys(parts, 0), name="heads")
        members = {name: 1 for name in parts if name.rpartition("/")[2].rstrip("b") in ("q", "r", "g", "o", "query")}
        moved, text = [groups], f"S_{heads.count}"
        if heads.group > 1:
            moved.append(experts(heads.group, members, name="members"))
            text = f"S_{heads.count} × S_{heads.group}"
        if heads.count == 1:
            moved, text = moved[1:], f"S_{heads.group}"
        text += ", the same in all layers" if tables else ""
        yield Form(text, seen_through(parts, combined(*moved, name="heads")))


def _tables(anatomy: Anatomy, heads: Heads) -> dict[str, Part]:
    """Biases of scores that all layers share, with an entry for each head."""
    queries = (heads.count, heads.group)
    shared = [t for t in anatomy.tensors if not t.stack and len(t.shape) == 2 and "bias" in t.path]
    return {
        f"{t.path}/query": Part(
            t.path, t.shape.index(int(np.prod(queries))), np.arange(np.prod(queries)).reshape(queries)
        )
        for t in shared
        if int(np.prod(queries)) in t.shape
    }


def _others_by_head(heads: Heads) -> dict[str, Part]:
    """What else a head has: gains of norms over all queries or keys, gates, sinks. It moves with its head."""
    found: dict[str, Part] = {}
    for tensor in heads.further:
        what, axis = role(heads, tensor), axis_out(tensor)
        shape = _by_head(heads, tensor.shape[axis], what) if tensor.shape else None
        if shape is not None:
            kind = "query" if len(shape) == 3 else "key"
            found[f"{tensor.path}/{kind}"] = Part(tensor.path, axis, np.arange(np.prod(shape)).reshape(shape))
    return found


def _by_head(heads: Heads, length: int, what: str) -> tuple[int, ...] | None:
    """The axes into which an axis falls: heads, the queries of each, units."""
    queries, keys = (heads.count, heads.group), (heads.count,)
    outward, single = (*queries, heads.value_width), [(*queries, 1), (*keys, 1)]
    shapes = {
        "query norm": [(*queries, heads.width)],
        "key norm": [(*keys, heads.width)],
        "gate of units": [outward],
        "output norm": [outward],
        "of each head": single,
        "": [outward, (*queries, heads.width), (*keys, heads.width), (*keys, heads.value_width)],
    }
    return next((shape for shape in shapes.get(what, []) if length == int(np.prod(shape))), None)


def _why_heads(anatomy: Anatomy, heads: Heads) -> str:
    del heads
    source = inspect.getsource(inspect.getmodule(type(anatomy.network.module)) or type(anatomy.network.module))
    has = getattr(anatomy.config, "alibi", "alibi" in source or "alibi" in str(vars(anatomy.config)).lower())
    return "ALiBi: each head has a slope of its own" if has else ""


def _values(anatomy: Anatomy, readings: Readings) -> Iterator[Form]:
    """v ↦ M v and O ↦ O M⁻¹ in every head, M ∈ GL(width)."""
    del anatomy
    for heads in readings:
        parts = heads.named("v", "vb", "o")
        values = {name: (0, 1) for name in parts if not name.endswith("/o")}
        circuit = attention_heads(heads.count, heads.value_width, values=values, outputs={"*/o": (0, 2)}, name="values")
        yield Form(f"GL({heads.value_width})", seen_through(parts, circuit))


def _why_values(anatomy: Anatomy, heads: Heads) -> str:
    if norms_on(anatomy, heads, "v"):
        return "a norm on the values"
    roles = {role(heads, t) for t in heads.further}
    said = {
        "gate of units": "a gate on each unit of what leaves a head",
        "output norm": "a norm on what leaves the heads",
    }
    fused = "a gate on each unit of what leaves a head" if heads.named("g") else ""
    return "; ".join(dict.fromkeys([text for what, text in said.items() if what in roles] + [fused] * bool(fused)))


def _none(anatomy: Anatomy) -> tuple[Form, ...]:
    del anatomy
    return ()


def _unread(anatomy: Anatomy) -> str:
    homes = (t.home.rpartition(".")[0] or t.home for t in anatomy.tensors if t.in_attention and t.is_weight)
    names = dict.fromkeys(home for home in homes if "att" in home)
    return f"{', '.join(list(names)[:3])}: {ABSENT}" if names else ""


ABSENT = "no attention whose queries, keys and values have names and shapes that are known here"
UNSEEN = "why is not seen from the tensors"
SYMMETRIES = (
    ("heads permuted", _permuted, _why_heads),
    ("query–key", circuits, why_queries),
    ("value–output", _values, _why_values),
)
