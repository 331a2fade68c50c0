"""Latent attention: keys and values that each head makes of one narrow latent, and what the latents leave free."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from eqprop.actions import combined, residual_stream
from eqprop.transformers.anatomy import Anatomy, Tensor
from eqprop.transformers.forms import Family, Form, at_one, nothing
from eqprop.transformers.projections import entries, parts_of, rows_of
from eqprop.transformers.views import Part, seen_through

KEYS = ("kv_a_proj_with_mqa", "kv_b_proj")
QUERIES = ("q_a_proj", "q_b_proj")
LATENTS = {"queries": QUERIES, "keys and values": KEYS}
"""What makes the latent, and what reads it."""


def latent_parts(own: tuple[Tensor, ...], count: int, value_width: int) -> tuple[int, int, dict[str, Part]] | None:
    """How wide keys are, how many units of queries are turned, and the parts; None where the shapes are others."""
    q, a, b = (rows_of(own, names) for names in ((QUERIES[1], "q_proj"), KEYS[:1], KEYS[1:]))
    if not (q and a and b):
        return None
    width, turned = b[0].shape[0] // count - value_width, a[0].shape[0] - b[0].shape[1]
    if width < 1 or turned < 1 or q[0].shape[0] != count * (width + turned) or b[0].shape[0] % count:
        return None
    queries, both = entries(0, count, 1, width + turned), entries(0, count, width + value_width)
    each = {"q": queries[..., :width], "r": queries[..., width:], "k": both[:, :width], "v": both[:, width:]}
    each["s"] = entries(b[0].shape[1], 1, turned)
    return width, turned, parts_of({"q": q, "r": q, "k": b, "v": b, "s": a}, each)


def _rotations(anatomy: Anatomy) -> Iterator[Form]:
    """Q on what makes a latent, Q⁻¹ on what reads it, the gain of the norm between them at 1."""
    parts: dict[str, Part] = {}
    widths: dict[str, int] = {}
    for (whose, (maker, reader)), own in product(LATENTS.items(), _attentions(anatomy)):
        made, read = rows_of(own, (maker,)), rows_of(own, (reader,))
        if made and read:
            widths[whose] = read[0].shape[1]
            within = np.arange(widths[whose])
            parts |= {f"{whose}/{t.path}/made": Part(t.path, 0, within) for t in made}
            parts |= {f"{whose}/{t.path}/read": Part(t.path, 1) for t in _readers(anatomy, own, read[0], maker)}
    if not widths:
        return
    moved = [
        residual_stream(n, writes={f"{whose}/*/made": 0}, reads={f"{whose}/*/read": 0}, norm="rms", name=whose)
        for whose, n in widths.items()
    ]
    text = " × ".join(f"O({n}) of {whose}" for whose, n in widths.items())
    gains = [t for t in anatomy.tensors if t.is_norm and t.home.endswith(NORMS)]
    yield Form(text, seen_through(parts, combined(*moved, name="latents")), at_one(anatomy, gains))


def _attentions(anatomy: Anatomy) -> list[list[Tensor]]:
    """The tensors of each module that makes a latent: its own, and those of modules inside of it."""
    homes = dict.fromkeys(t.path.partition(f".{KEYS[0]}.")[0] for t in anatomy.tensors if t.module == KEYS[0])
    return [[t for t in anatomy.tensors if t.path.startswith(f"{home}.")] for home in homes]


def _readers(anatomy: Anatomy, own: list[Tensor], reader: Tensor, maker: str) -> list[Tensor]:
    """The matrix that is known to read a latent, and those that are seen to be given the same."""
    norms = {t.path.rpartition(".")[0] for t in own if t.module == maker.partition("_proj")[0] + "_layernorm"}
    seen = {path for norm in norms for path in anatomy.trace.readers.get(norm, ())}
    also = [t for t in own if t.path.rpartition(".")[0] in seen and t.shape[1:] == reader.shape[1:]]
    return list(dict.fromkeys([reader, *also]))


NORMS = ("q_a_layernorm", "kv_a_layernorm")
LATENT = Family("latents", _rotations, "no latents", nothing)
