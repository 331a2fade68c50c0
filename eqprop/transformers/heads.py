"""Attention heads as parts of tensors: queries, keys, values and outputs of each layer, wherever they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from eqprop.transformers.anatomy import FUSED, KEY, QUERY, VALUE, Anatomy, Tensor
from eqprop.transformers.latents import latent_parts
from eqprop.transformers.projections import axis_out, entries, parts_of, rows_of
from eqprop.transformers.views import Part

LAYOUTS = ("blocks", "heads", "heads, values first")
"""How a fused projection is laid out: all queries, then all keys, then all values; or head by head."""

COUNTS = ("num_attention_heads", "swa_num_attention_heads", "decoder_attention_heads", "num_decoder_attention_heads")


@dataclass(frozen=True)
class Heads:
    """The heads of all layers that have the same attention, in one reading of their tensors.

    Attributes:
        place: the module with queries, keys and values, within a layer.
        count: how many have keys and values of their own.
        group: how many queries share these.
        width: of a query and a key.
        value_width: of a value.
        turned: units of a query beside these, whose keys all heads share (latent attention); 0 elsewhere.
        parts: by names such as ``0/q``: of queries (copies, group, width, …), of keys and values (copies, width, …), of
            outputs (copies, group, width, …), of the biases ``qb``, ``kb`` and ``vb``, of gates ``g`` that are fused
            with queries, and of what is turned, ``r`` of queries (copies, group, turned, …) and ``s`` of keys
            (1, turned, …).
        own: the tensors of these modules.
        layout: of a fused projection; empty where there is none.
    """

    place: str
    count: int
    group: int
    width: int
    value_width: int
    turned: int = 0
    parts: dict[str, Part] = field(default_factory=dict[str, Part])
    own: tuple[Tensor, ...] = ()
    layout: str = ""

    @property
    def sizes(self) -> tuple[int, ...]:
        """What must agree for layers to be read together."""
        return self.count, self.group, self.width, self.value_width, self.turned

    def named(self, *kinds: str) -> dict[str, Part]:
        """The parts of some kinds."""
        return {name: part for name, part in self.parts.items() if name.rpartition("/")[2] in kinds}

    def ordered(self, order: np.ndarray, *kinds: str) -> dict[str, Part]:
        """The parts of some kinds, their units in another order."""
        return {
            name: part if part.entries is None else replace(part, entries=part.entries[..., order])
            for name, part in self.named(*kinds).items()
        }

    @property
    def further(self) -> tuple[Tensor, ...]:
        """The tensors of these modules that no part is of."""
        known = {part.path for part in self.parts.values()}
        return tuple(t for t in self.own if t.path not in known)


def attentions(anatomy: Anatomy) -> list[list[Heads]]:
    """Each attention that a network has, in all readings that its shapes allow."""
    found: dict[tuple[str, tuple[int, ...]], dict[str, Heads]] = {}
    for name, place, tensors in _modules(anatomy):
        for heads in _read(anatomy, place, tensors):
            readings = found.setdefault((place, heads.sizes), {})
            whole = readings.setdefault(heads.layout, replace(heads, parts={}, own=()))
            parts = {f"{name}/{kind}": part for kind, part in heads.parts.items()}
            readings[heads.layout] = replace(whole, parts={**whole.parts, **parts}, own=(*whole.own, *heads.own))
    return [list(readings.values()) for readings in found.values()]


def _modules(anatomy: Anatomy) -> Iterator[tuple[str, str, list[Tensor]]]:
    """Each module with queries, keys and values: a name, its path within the layer, and the layer's attention."""
    for (stack, number), tensors in anatomy.layers():
        mine = [t for t in tensors if t.in_attention]
        names = (*QUERY, *FUSED, "q_b_proj")
        for place in dict.fromkeys(t.home.rpartition(".")[0] for t in mine if t.module in names):
            yield f"{stack}{number}.{place}", place, mine


def _read(anatomy: Anatomy, place: str, tensors: list[Tensor]) -> Iterator[Heads]:
    """The readings of one module."""
    own = tuple(t for t in tensors if not place or f"{t.home}.".startswith(f"{place}."))
    beside = [t for t in tensors if t.home.startswith(place.rpartition(".")[0])]
    out = next((t for t in (*own, *beside) if t in anatomy.outputs and t.is_weight), None)
    counts = (getattr(anatomy.config, name, None) for name in COUNTS)
    for count in dict.fromkeys(c for c in counts if isinstance(c, int) and c > 0):
        if out is None or _inward(out) % count:
            continue
        sizes = count, _inward(out) // count
        whole = _separate(own, *sizes) or _latent(own, *sizes)
        fused = (_fused(own, *sizes, layout) for layout in LAYOUTS)
        readings = [whole] if whole is not None else [reading for reading in fused if reading is not None]
        for heads in readings:
            behind = Part(out.path, 1 - axis_out(out), entries(0, heads.count, heads.group, heads.value_width))
            rest = tuple(t for t in own if t.owner is not out.owner)
            yield replace(heads, place=place, parts={**heads.parts, "o": behind}, own=rest)
        if readings:
            return


def _separate(own: tuple[Tensor, ...], count: int, value_width: int) -> Heads | None:
    """Queries, keys and values each from a layer of their own; queries with a gate in each head, or without."""
    rows = {kind: rows_of(own, names) for kind, names in (("q", QUERY), ("k", KEY), ("v", VALUE))}
    if not all(rows.values()):
        return None
    lengths = {kind: found[0].shape[axis_out(found[0])] for kind, found in rows.items()}
    copies = lengths["v"] // value_width
    width = lengths["k"] // copies if copies else 0
    several, rest = divmod(lengths["q"], count * width) if width else (0, 1)
    if rest or several not in (1, 2) or count % copies or lengths["v"] % value_width or lengths["k"] % copies:
        return None
    whole = entries(0, copies, count // copies, several * width)
    each = {"q": whole[..., :width], "k": entries(0, copies, width), "v": entries(0, copies, value_width)}
    parts = parts_of(rows, each)
    if several == 2:
        parts |= {f"g{name[1:]}": replace(parts[name], entries=whole[..., width:]) for name in parts if name[0] == "q"}
    return Heads("", copies, count // copies, width, value_width, parts=parts)


def _latent(own: tuple[Tensor, ...], count: int, value_width: int) -> Heads | None:
    """Keys and values of each head from a latent, beside keys that all heads share."""
    found = latent_parts(own, count, value_width)
    if found is None:
        return None
    width, turned, parts = found
    return Heads("", count, 1, width, value_width, turned, parts)


def _fused(own: tuple[Tensor, ...], count: int, width: int, layout: str) -> Heads | None:
    """All three from one layer."""
    rows = rows_of(own, FUSED)
    if not rows:
        return None
    length = rows[0].shape[axis_out(rows[0])]
    copies = (length // width - count) // 2
    if copies < 1 or count % copies or length != (count + 2 * copies) * width:
        return None
    group = count // copies
    each = _in_blocks(copies, group, width) if layout == LAYOUTS[0] else _by_heads(copies, group, width, layout)
    return Heads("", copies, group, width, width, parts=parts_of(dict.fromkeys("qkv", rows), each), layout=layout)


def _in_blocks(copies: int, group: int, width: int) -> dict[str, np.ndarray]:
    queries = copies * group * width
    keys = entries(queries, copies, width)
    return {"q": entries(0, copies, group, width), "k": keys, "v": keys + copies * width}


def _by_heads(copies: int, group: int, width: int, layout: str) -> dict[str, np.ndarray]:
    whole = entries(0, copies, group + 2, width)
    values_first = layout == LAYOUTS[2]
    return {"q": whole[:, :group], "k": whole[:, group + values_first], "v": whole[:, group + 1 - values_first]}


def _inward(out: Tensor) -> int:
    return out.shape[1 - axis_out(out)]
