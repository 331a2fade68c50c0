"""Gains of norms against what reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eqprop.actions import norm_gain
from eqprop.transformers.anatomy import Anatomy, Tensor
from eqprop.transformers.forms import Family, Form, nothing
from eqprop.transformers.heads import attentions
from eqprop.transformers.latents import KEYS, NORMS, QUERIES
from eqprop.transformers.roles import is_of
from eqprop.transformers.views import Part, seen_through

Reads = dict[Tensor, int]
READERS = (KEYS[1], QUERIES[1])
MLP = ("mlp", "ffn", "feed_forward", "moe", "expert", "intermediate", "fc", "block_sparse")


def stream_norms(anatomy: Anatomy) -> list[Tensor]:
    """The gains and shifts of norms that are as wide as the stream, without those inside of attention."""
    inside = tuple(f"{heads.place}." for readings in attentions(anatomy) for heads in readings[:1] if heads.place)
    return [t for t in anatomy.tensors if t.is_norm and t.shape == (anatomy.hidden,) and not t.rest.startswith(inside)]


def place_of(norm: Tensor) -> str:
    """The name of a norm, the same in every layer."""
    return norm.home or norm.stack.rstrip(".").rpartition(".")[2]


def short(places: Iterable[str]) -> list[str]:
    """The last words of names, where these tell them apart."""
    whole = list(places)
    lasts = [place.rpartition(".")[2] for place in whole]
    clear = [lasts.count(last) == 1 and not last.isdigit() for last in lasts]
    return [last if is_clear else place for place, last, is_clear in zip(whole, lasts, clear, strict=True)]


def gain_families(anatomy: Anatomy) -> list[Family]:
    """One for each place where the layers have a norm, and for the last one; norms of heads are matters of these."""
    inner = [t for t in anatomy.tensors if t.is_norm and t.stack and len(t.shape) == 1 and not _of_heads(t)]
    chosen = dict.fromkeys([*stream_norms(anatomy), *(t for t in inner if t.shape != (anatomy.hidden,))])
    return [_family(place) for place in dict.fromkeys(map(place_of, chosen))]


def _of_heads(norm: Tensor) -> bool:
    """Whether it stands between queries and keys; one on a latent is read by a matrix."""
    return any(is_of(norm, kind) for kind in "qkv") and not place_of(norm).endswith("_a_layernorm")


def _family(place: str) -> Family:
    return Family(place, lambda anatomy: _gains(anatomy, place), "nothing reads it alone", nothing)


def _gains(anatomy: Anatomy, place: str) -> Iterator[Form]:
    """(γ, β) ↦ c (γ, β) and W ↦ W / c for what reads the norm, in every way that it may be read."""
    chosen = [t for t in anatomy.tensors if t.is_norm and place_of(t) == place]
    width = chosen[0].shape[0]
    for whose, reads in _readers(anatomy, chosen):
        gains = {t.path: Part(t.path, offset=anatomy.offsets.get(t.path, 0.0)) for t in chosen}
        parts = {**gains, **{t.path: Part(t.path, axis) for t, axis in reads.items()}}
        moved = norm_gain(width, gains=dict.fromkeys(gains, 0), reads={t.path: 0 for t in reads}, name="gains")
        stored = "1 + γ" if any(part.offset for part in gains.values()) else "γ"
        yield Form(f"{stored} → {whose}", seen_through(parts, moved))


def _readers(anatomy: Anatomy, norms: list[Tensor]) -> Iterator[tuple[str, Reads]]:
    """What is seen to read a norm; then, for what is scaled or gathered on the way, what may read it."""
    seen: Reads = {}
    for norm in norms:
        modules = anatomy.trace.readers.get(norm.path.rpartition(".")[0], ())
        inside = [t for t in anatomy.tensors if t.path.rpartition(".")[0] in modules]
        seen |= {t: axis for t in inside if (axis := _axis(anatomy, t, norm.shape[0])) is not None}
    if seen:
        yield _all_called(seen), seen
    if not seen and norms[0].home.endswith(NORMS):
        yield from _of_latents(anatomy, norms)
    if norms[0].shape == (anatomy.hidden,):
        yield from ((whose, reads) for whose, reads in _guessed(anatomy, norms[0]).items() if reads and reads != seen)


def _of_latents(anatomy: Anatomy, norms: list[Tensor]) -> Iterator[tuple[str, Reads]]:
    """The matrices beside the norms that read a latent as wide."""
    beside = {norm.path.removesuffix(f"{norm.module}.weight") for norm in norms}
    for name in READERS:
        reads = [t for t in anatomy.tensors if t.module == name and t.path.removesuffix(f"{name}.weight") in beside]
        wide = {t: 1 for t in reads if t.is_weight and t.shape[1] == norms[0].shape[0]}
        yield from [(name, wide)] if wide else []


def _guessed(anatomy: Anatomy, norm: Tensor) -> dict[str, Reads]:
    """What may read a norm: what reads none that is seen, attention, the rest, both; outside of layers the head."""
    if not norm.stack:
        return {"head": {t: 1 for t in anatomy.head if t.is_weight}}
    layer = {t: axis for t in anatomy.tensors if t.stack == norm.stack and (axis := anatomy.axis_read(t)) is not None}
    left = {t: axis for t, axis in layer.items() if t.path.rpartition(".")[0] not in anatomy.after_norms}
    inside = {t: axis for t, axis in layer.items() if t.in_attention}
    others = {t: axis for t, axis in layer.items() if not t.in_attention}
    return {_all_called(left): left, "attention": inside, "MLP": others, "attention and MLP": layer}


def _axis(anatomy: Anatomy, tensor: Tensor, width: int) -> int | None:
    """The axis along which a tensor reads what a norm of this width gives."""
    if width == anatomy.hidden and (axis := anatomy.axis_read(tensor)) is not None:
        return axis
    axis = anatomy.axis_in(tensor) if tensor.is_weight else None
    return axis if axis is not None and tensor.shape[axis] == width else None


def _all_called(reads: Reads) -> str:
    return " and ".join(dict.fromkeys(map(_called, reads)))


def _called(tensor: Tensor) -> str:
    """What reads, in a word."""
    first = tensor.rest.split(".", maxsplit=1)[0]
    if not tensor.stack:
        return "head"
    if tensor.module in READERS:
        return tensor.module
    if "att" in first:
        return "attention"
    return "MLP" if any(word in first for word in MLP) else first
