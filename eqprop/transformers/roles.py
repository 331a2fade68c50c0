"""What else belongs to an attention beside queries, keys, values and outputs: norms, gates, sinks, an indexer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from eqprop.transformers.anatomy import OUTPUT, Anatomy, Tensor
from eqprop.transformers.heads import Heads
from eqprop.transformers.latents import KEYS, NORMS, QUERIES
from eqprop.transformers.tracing import is_norm
from eqprop.transformers.views import Part

LATENT = (*KEYS, *QUERIES, *NORMS)


def role(heads: Heads, tensor: Tensor) -> str:
    """Of a tensor of an attention's that no part of its heads is of; empty where it is not known."""
    if tensor.module in LATENT:
        return "latent"
    rows, queries = tensor.shape[0], heads.count * heads.group
    if tensor.is_norm:
        named = next((name for name, kind in NORMED.items() if is_of(tensor, kind)), "")
        return named or ("output norm" if rows == queries * heads.value_width else "")
    if tensor.path.rpartition(".")[2].removesuffix("_bias") in OUTPUT:
        return "output bias"
    if tensor.home.count(".") > heads.place.count(".") + 1:
        return "module of its own"
    if rows == queries * heads.value_width and "gate" in tensor.rest:
        return "gate of units"
    reads_heads = tensor.shape[1:] == (heads.count * heads.value_width,)
    return "of each head" if rows in (queries, heads.count) and not reads_heads else ""


NORMED = {"query norm": "q", "key norm": "k", "value norm": "v"}


def is_of(tensor: Tensor, kind: str) -> bool:
    """Whether a norm is on queries (``q``), keys or values, which its name says."""
    return _named(tensor.home, kind)


def _named(path: str, kind: str) -> bool:
    names = {"q": ("q_", "qk_", "query_"), "k": ("k_", "qk_", "key_"), "v": ("v_", "value_")}[kind]
    return path.rpartition(".")[2].startswith(names)


def norms_on(anatomy: Anatomy, heads: Heads, kind: str) -> bool:
    """Whether queries, keys or values go through a norm, with gains or without."""
    return any(_named(path, kind) for path in _norms(anatomy, heads))


def _norms(anatomy: Anatomy, heads: Heads) -> Iterator[str]:
    for path, module in anatomy.network.module.named_modules():
        if f".{heads.place}." in f".{path}" and is_norm(module):
            yield path


def unknown(heads: Heads, moved: Mapping[str, Part]) -> str:
    """The tensors whose part in an attention is not known here and that do not move, in words; empty without any."""
    known = {part.path for part in moved.values()}
    others = [t for t in heads.further if not role(heads, t) and t.path not in known]
    names = dict.fromkeys(t.rest.removeprefix(f"{heads.place}.") for t in others)
    return f"attention has further tensors, {', '.join(list(names)[:3])}, that are not read here" if names else ""
