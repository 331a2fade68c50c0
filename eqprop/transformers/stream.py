"""Symmetries of the stream: gains of norms against what reads them, rotations, and the shift of the logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from eqprop.actions import hidden_units, norm_gain, residual_stream, softmax_shift
from eqprop.claims import Params, Transformation
from eqprop.groups import Orthogonal
from eqprop.transformers.anatomy import Anatomy, Tensor
from eqprop.transformers.forms import Family, Form
from eqprop.transformers.views import Part, seen_through


def norms(anatomy: Anatomy) -> list[Tensor]:
    """The gains and shifts of norms that are as wide as the stream."""
    return [t for t in anatomy.tensors if t.is_norm and t.shape == (anatomy.hidden,)]


def _gains(anatomy: Anatomy, wanted: Callable[[Tensor], bool]) -> Iterator[Form]:
    """(γ, β) ↦ c (γ, β) and W ↦ W / c for what reads the norm, in every way that it may be stored and read."""
    chosen = [t for t in norms(anatomy) if wanted(t)]
    if not chosen:
        return
    for whose, reads in _readers(anatomy, chosen[0]):
        gains = {t.path: Part(t.path, offset=anatomy.offsets.get(t.path, 0.0)) for t in chosen}
        parts = {**gains, **{t.path: Part(t.path, anatomy.axis_read(t) or 0) for t in reads}}
        moved = norm_gain(anatomy.hidden, gains=dict.fromkeys(gains, 0), reads={t.path: 0 for t in reads}, name="gains")
        stored = "1 + γ" if any(part.offset for part in gains.values()) else "γ"
        yield Form(f"{stored} → {whose}", seen_through(parts, moved))


def _readers(anatomy: Anatomy, norm: Tensor) -> Iterator[tuple[str, list[Tensor]]]:
    """What may read a norm: attention, the other matrices of its layer, both; outside of layers, the last matrix."""
    if not norm.stack:
        head = [t for t in anatomy.head if t.is_weight]
        return iter([("head", head)] if head else [])
    layer = [t for t in anatomy.tensors if t.stack == norm.stack and anatomy.axis_read(t) is not None]
    inside, others = [t for t in layer if t.in_attention], [t for t in layer if not t.in_attention]
    found = {"attention": inside, "MLP": others, "attention and MLP": [*inside, *others]}
    return ((whose, reads) for whose, reads in found.items() if reads)


def gain_families(anatomy: Anatomy) -> list[Family]:
    """One for each place where the layers have a norm, and for the last one."""
    return [
        Family(
            place,
            lambda anatomy, place=place: _gains(anatomy, lambda t: place_of(t) == place),
            "nothing reads it alone",
            lambda anatomy: "",
        )
        for place in dict.fromkeys(map(place_of, norms(anatomy)))
    ]


def rotation(folded: set[str]) -> Family:
    """Q on all that writes, Q⁻¹ on all that reads.

    Args:
        folded: the places of the norms whose gains are traded against what reads them, so that these may be 1.
    """
    return Family(
        "rotation", lambda anatomy: _rotations(anatomy, folded), "no stream between known tensors", lambda anatomy: ""
    )


def _rotations(anatomy: Anatomy, folded: set[str]) -> Iterator[Form]:
    """With the gains at 1 that can be folded, then with all of them; behind LayerNorm Q fixes (1, …, 1)."""
    writes = {t: axis for t in anatomy.tensors if (axis := anatomy.axis_written(t)) is not None}
    reads = {t: axis for t in anatomy.tensors if t not in writes and (axis := anatomy.axis_read(t)) is not None}
    shifts = {t: 0 for t in norms(anatomy) if not t.path.endswith("weight")}
    if not writes or not reads:
        return
    written, read = {t.path: 0 for t in (*writes, *shifts)}, {t.path: 0 for t in reads}
    axes = {**writes, **shifts, **reads}
    width = anatomy.hidden
    stream = residual_stream(width, writes=written, reads=read, norm="rms", name="rotation")
    fixing = hidden_units(Orthogonal(width - 1), writes=written, reads=read, name="rotation")
    for text, basis, moved in (
        (f"O({width})", None, stream),
        (f"O({width - 1}), Q 1 = 1", _orthogonal_to_ones(width), fixing),
    ):
        parts = {t.path: Part(t.path, axis, basis=basis) for t, axis in axes.items()}
        for free in dict.fromkeys((_unfolded(anatomy, folded), ())):
            yield Form(text + _where(anatomy, folded, free), seen_through(parts, moved), _at_one(anatomy, free))


def _unfolded(anatomy: Anatomy, folded: set[str]) -> tuple[str, ...]:
    """The gains that nothing can take over."""
    return tuple(t.path for t in norms(anatomy) if t.path in anatomy.offsets and place_of(t) not in folded)


def place_of(norm: Tensor) -> str:
    """The name of a norm, the same in every layer."""
    return norm.rest.rpartition(".")[0]


def _where(anatomy: Anatomy, folded: set[str], free: tuple[str, ...]) -> str:
    """What is asked of gains beyond folding."""
    if free or not (rest := _unfolded(anatomy, folded)):
        return ""
    places = dict.fromkeys(place_of(t).rpartition(".")[2] for t in norms(anatomy) if t.path in rest)
    why = " (tied embeddings)" if anatomy.tied and len(places) == 1 and "norm" in str(places) else ""
    return f" where {', '.join(places)} is 1{why}"


def _at_one(anatomy: Anatomy, free: tuple[str, ...]) -> Callable[[Params], Params]:
    gains = {
        path: 1 - anatomy.offsets[path]
        for t in norms(anatomy)
        if (path := t.path) in anatomy.offsets and path not in free
    }

    def domain(params: Params) -> Params:
        return {path: np.full_like(leaf, gains[path]) if path in gains else leaf for path, leaf in params.items()}

    return domain


def _orthogonal_to_ones(n: int) -> np.ndarray:
    """n − 1 orthonormal rows whose entries sum to 0."""
    first = np.eye(n) - np.full((n, n), 1 / n)
    return np.linalg.svd(first)[0].T[: n - 1]


def _shift(anatomy: Anatomy) -> Iterator[Form]:
    """The same is added to every logit, which no softmax sees."""
    head = {t.path: 0 for t in anatomy.head}
    if head:
        yield Form("+ a", _shifted(anatomy, head))
    elif anatomy.tied:
        table = next(
            t
            for t in anatomy.tensors
            if t.path.endswith("weight") and t.shape == anatomy.network.module.get_input_embeddings().weight.shape
        )
        yield Form("+ a", _shifted(anatomy, {table.path: 0}))


def _shifted(anatomy: Anatomy, classes: dict[str, int]) -> Transformation:
    return softmax_shift(anatomy.network.model.params, classes, name="logits")


def _why_shift(anatomy: Anatomy) -> str:
    capped = getattr(anatomy.config, "final_logit_softcapping", None)
    said = ["tied embeddings: the stream moves as well"] if anatomy.tied else []
    return "; ".join([*said, *([f"logit soft-cap at {capped:g}"] if capped else [])])


SHIFT = Family("logit shift", _shift, "no last matrix", _why_shift)
