"""Attention heads as parts of tensors: queries, keys, values and outputs of each layer, wherever they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from eqprop.transformers.anatomy import FUSED, KEY, QUERY, VALUE, Anatomy, Tensor
from eqprop.transformers.views import Part

LAYOUTS = ("blocks", "heads", "heads, values first")
"""How a fused projection is laid out: all queries, then all keys, then all values; or head by head."""


@dataclass(frozen=True)
class Heads:
    """The heads of a network.

    Attributes:
        count: how many have keys and values of their own.
        group: how many queries share these.
        width: of each.
        parts: by names such as ``0/q``: of queries (copies, group, width, …), of keys and values (copies, width, …), of
            outputs (copies, group, width, …), and of the biases ``qb``, ``kb`` and ``vb``.
        layout: of a fused projection; empty where there is none.
    """

    count: int
    group: int
    width: int
    parts: dict[str, Part]
    layout: str = ""

    def named(self, *kinds: str) -> dict[str, Part]:
        """The parts of some kinds."""
        return {name: part for name, part in self.parts.items() if name.rpartition("/")[2] in kinds}

    def ordered(self, order: np.ndarray) -> Heads:
        """The units of queries and keys in another order."""

        def moved(name: str, part: Part) -> Part:
            if part.entries is None or name.rpartition("/")[2] not in ("q", "qb", "k", "kb"):
                return part
            return replace(part, entries=part.entries[..., order])

        return replace(self, parts={name: moved(name, part) for name, part in self.parts.items()})


def heads_of(anatomy: Anatomy) -> Iterator[Heads]:
    """Every reading of the heads that the shapes allow; none where there is no attention that is known."""
    for layout in LAYOUTS:
        found = _read(anatomy, layout)
        if found is not None:
            yield found
            if not found.layout:
                return


def _read(anatomy: Anatomy, layout: str) -> Heads | None:
    count = getattr(anatomy.config, "num_attention_heads", None)
    if not isinstance(count, int):
        return None
    heads: Heads | None = None
    for (stack, number), tensors in anatomy.layers():
        mine = [t for t in tensors if t.in_attention]
        found = _separate(anatomy, mine, count) or _fused(anatomy, mine, count, layout)
        if found is None:
            continue
        if heads is None:
            heads = replace(found, parts={})
        if (found.count, found.group, found.width) == (heads.count, heads.group, heads.width):
            heads.parts.update({f"{stack}{number}/{name}": part for name, part in found.parts.items()})
    return heads


def _separate(anatomy: Anatomy, tensors: list[Tensor], count: int) -> Heads | None:
    """Queries, keys and values each from a layer of their own."""
    rows = {kind: _rows(tensors, names) for kind, names in (("q", QUERY), ("k", KEY), ("v", VALUE))}
    out = _behind(anatomy, tensors)
    if not all(rows.values()) or out is None:
        return None
    lengths = {kind: found[0].shape[_axis_out(found[0])] for kind, found in rows.items()}
    width = lengths["q"] // count
    copies = lengths["k"] // width if width else 0
    if not copies or lengths["q"] % count or lengths["v"] != lengths["k"] or count % copies:
        return None
    entries = {"q": _entries(0, copies, count // copies, width), **dict.fromkeys("kv", _entries(0, copies, width))}
    parts = {
        kind + "b" * (not t.is_weight): Part(t.path, _axis_out(t), entries[kind])
        for kind, found in rows.items()
        for t in found
    }
    return _with_output(Heads(copies, count // copies, width, parts), out)


def _fused(anatomy: Anatomy, tensors: list[Tensor], count: int, layout: str) -> Heads | None:
    """All three from one layer."""
    rows, out = _rows(tensors, FUSED), _behind(anatomy, tensors)
    if not rows or out is None:
        return None
    length = rows[0].shape[_axis_out(rows[0])]
    width = anatomy.hidden // count if not getattr(anatomy.config, "head_dim", None) else anatomy.config.head_dim
    copies = (length // width - count) // 2
    if copies < 1 or count % copies or length != (count + 2 * copies) * width:
        return None
    group = count // copies
    entries = _in_blocks(copies, group, width) if layout == LAYOUTS[0] else _by_heads(copies, group, width, layout)
    parts = {kind + "b" * (not t.is_weight): Part(t.path, _axis_out(t), entries[kind]) for kind in "qkv" for t in rows}
    return _with_output(Heads(copies, group, width, parts, layout), out)


def _in_blocks(copies: int, group: int, width: int) -> dict[str, np.ndarray]:
    queries = copies * group * width
    keys = _entries(queries, copies, width)
    return {"q": _entries(0, copies, group, width), "k": keys, "v": keys + copies * width}


def _by_heads(copies: int, group: int, width: int, layout: str) -> dict[str, np.ndarray]:
    whole = _entries(0, copies, group + 2, width)
    values_first = layout == LAYOUTS[2]
    return {"q": whole[:, :group], "k": whole[:, group + values_first], "v": whole[:, group + 1 - values_first]}


def _entries(start: int, *shape: int) -> np.ndarray:
    return start + np.arange(int(np.prod(shape))).reshape(shape)


def _with_output(heads: Heads, out: Tensor) -> Heads | None:
    axis = 1 - _axis_out(out)
    if out.shape[axis] != heads.count * heads.group * heads.width:
        return None
    part = Part(out.path, axis, _entries(0, heads.count, heads.group, heads.width))
    return replace(heads, parts={**heads.parts, "o": part})


def _rows(tensors: list[Tensor], names: tuple[str, ...]) -> list[Tensor]:
    """The matrix of these names, then its bias."""
    found = [t for t in tensors if t.module in names and not t.is_norm]
    return sorted(found, key=lambda t: not t.is_weight) if any(t.is_weight for t in found) else []


def _behind(anatomy: Anatomy, tensors: list[Tensor]) -> Tensor | None:
    return next((t for t in tensors if t in anatomy.outputs and t.is_weight), None)


def _axis_out(tensor: Tensor) -> int:
    return 1 if tensor.is_weight and type(tensor.owner).__name__ == "Conv1D" else 0
