"""Symmetries of the stream: rotations, and the shift of the logits."""

# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from eqprop.actions import hidden_units, residual_stream, softmax_shift
from eqprop.claims import Transformation
from eqprop.groups import FixingOnes
from eqprop.transformers.anatomy import Anatomy, Tensor
from eqprop.transformers.forms import Family, Form, at_one
from eqprop.transformers.gains import place_of, short, stream_norms
from eqprop.transformers.heads import attentions
from eqprop.transformers.views import Part, seen_through


def rotation(folded: set[str]) -> Family:
    """Q on all that writes, Q⁻¹ on all that reads.

    Args:
        folded: the places of the norms whose gains are traded against what reads them, so that these may be 1.
    """
    return Family(
        "rotation",
        lambda anatomy: _rotations(anatomy, folded),
        "no stream between known tensors",
        _why_rotation,
        _unread,
    )


def _rotations(anatomy: Anatomy, folded: set[str]) -> Iterator[Form]:
    """With the gains at 1 that can be folded, then with all of them; behind LayerNorm Q fixes (1, …, 1)."""
    writes = {t: axis for t in anatomy.tensors if (axis := anatomy.axis_written(t)) is not None}
    writes |= {t: t.shape.index(anatomy.hidden) for t in _alone(anatomy)}  # what is added; what multiplies breaks it
    reads = {t: axis for t in anatomy.tensors if t not in writes and (axis := anatomy.axis_read(t)) is not None}
    shifts = {t: 0 for t in stream_norms(anatomy) if not t.path.endswith("weight")}
    if not writes or not reads:
        return
    copies = _copies(anatomy)
    written, read = {t.path: 0 for t in (*writes, *shifts)}, {t.path: 0 for t in reads} | dict.fromkeys(copies, 0)
    axes = {**writes, **shifts, **reads}
    width = anatomy.hidden
    stream = residual_stream(width, writes=written, reads=read, norm="rms", name="rotation")
    fixing = hidden_units(FixingOnes(width), writes=written, reads=read, name="rotation")
    parts = {t.path: Part(t.path, axis) for t, axis in axes.items()} | copies
    for text, moved in ((f"O({width})", stream), (f"O({width - 1}), Q 1 = 1", fixing)):
        for free in dict.fromkeys((_unfolded(anatomy, folded), ())):
            gains = [t for t in stream_norms(anatomy) if t.path not in free]
            yield Form(text + _where(anatomy, folded, free), seen_through(parts, moved), at_one(anatomy, gains))


def _copies(anatomy: Anatomy) -> dict[str, Part]:
    """What reads several copies of the stream side by side: hyper-connections."""
    count = next((value for name in COPIES if isinstance(value := getattr(anatomy.config, name, None), int)), 0)
    length = count * anatomy.hidden
    side_by_side = np.arange(length).reshape(count, -1).T if count else None
    wide = [t for t in anatomy.tensors if count > 1 and t.is_weight and length in t.shape and "hc" in t.rest]
    return {t.path: Part(t.path, t.shape.index(length), side_by_side) for t in wide}


def _why_rotation(anatomy: Anatomy) -> str:
    """Vectors that multiply the stream, and a tied table that is read behind another matrix."""
    featurewise = [t.rest for t in _alone(anatomy) if "query" not in t.rest]  # a query is read by a product
    behind = [
        t.rest for t in anatomy.tensors if not t.stack and t not in anatomy.head and anatomy.axis_read(t) is not None
    ]
    said = [f"{', '.join(dict.fromkeys(featurewise))} multiplies the stream feature by feature"] * bool(featurewise)
    fixed = _fixed(anatomy)
    said += [f"{', '.join(fixed)} is fixed, and as wide as the stream"] * bool(fixed)
    said += [f"tied embeddings, read behind {', '.join(behind)} as well"] * bool(anatomy.tied and behind)
    return "; ".join(said)


def _alone(anatomy: Anatomy) -> list[Tensor]:
    """Vectors as long as the stream that are neither of a norm nor of a matrix nor of heads."""
    inside = {t.path for readings in attentions(anatomy) for t in readings[0].own}
    return [
        t
        for t in anatomy.tensors
        if np.prod(t.shape) == anatomy.hidden == max(t.shape, default=0)
        and not t.is_norm
        and anatomy.axis_written(t) is None
        and t.path not in inside
        and _stands_alone(t.owner)
    ]


def _fixed(anatomy: Anatomy) -> list[str]:
    """Tables of numbers that no parameter is: positions made of sines."""
    found = [
        name
        for module in anatomy.network.module.modules()
        for name, value in (*vars(module).items(), *module.named_buffers(recurse=False))
        if isinstance(value, torch.Tensor) and value.ndim == 2 and value.shape[1] == anatomy.hidden
    ]
    return list(dict.fromkeys(found))


def _stands_alone(owner: torch.nn.Module) -> bool:
    return all(
        parameter.ndim < 2 or max(parameter.shape) == parameter.numel() for parameter in owner.parameters(recurse=False)
    )


def _unread(anatomy: Anatomy) -> str:
    """Matrices with an axis as long as the stream that are taken for neither reading nor writing it."""
    copies = _copies(anatomy)
    names = dict.fromkeys(
        t.rest
        for t in anatomy.tensors
        if t.is_weight
        and not t.is_norm
        and t.path not in copies
        and any(length % anatomy.hidden == 0 for length in t.shape)
        and anatomy.axis_read(t) is None
        and anatomy.axis_written(t) is None
    )
    known = attentions(anatomy)
    others = [] if known else [t.rest for t in anatomy.tensors if t.in_attention and "att" in t.home and t.is_weight]
    missed = list(dict.fromkeys([*names, *others]))
    return f"{', '.join(missed[:3])} is not read here" if missed else "why is not seen from the tensors"


def _unfolded(anatomy: Anatomy, folded: set[str]) -> tuple[str, ...]:
    """The gains that nothing can take over."""
    return tuple(t.path for t in stream_norms(anatomy) if t.path in anatomy.offsets and place_of(t) not in folded)


def _where(anatomy: Anatomy, folded: set[str], free: tuple[str, ...]) -> str:
    """What is asked of gains beyond folding."""
    if free or not (rest := _unfolded(anatomy, folded)):
        return ""
    places = short(dict.fromkeys(place_of(t) for t in stream_norms(anatomy) if t.path in rest))
    why = " (tied embeddings)" if anatomy.tied and len(places) == 1 and "norm" in str(places) else ""
    return f" where {', '.join(places)} is 1{why}"


def _shift(anatomy: Anatomy) -> Iterator[Form]:
    """The same is added to every logit, which no softmax sees."""
    head = {t.path: 0 for t in anatomy.head if t.rest.endswith(("weight", "bias"))}
    table = anatomy.network.module.get_input_embeddings().weight.shape
    tied = [t for t in anatomy.tensors if anatomy.tied and t.path.endswith("weight") and t.shape == table]
    classes = head or {t.path: 0 for t in tied[:1]}
    bias = anatomy.head_bias
    if classes:
        yield Form("+ a", _shifted(anatomy, {**classes, **({bias: 0} if bias else {})}))
    if anatomy.tied and bias:
        yield Form("+ a, of the bias alone", _shifted(anatomy, {bias: 0}))


def _shifted(anatomy: Anatomy, classes: dict[str, int]) -> Transformation:
    return softmax_shift(anatomy.network.model.params, classes, name="logits")


def _why_shift(anatomy: Anatomy) -> str:
    capped = next((cap for name in CAPS if (cap := getattr(anatomy.config, name, None))), None)
    said = ["tied embeddings: the stream moves as well"] if anatomy.tied else []
    further = [t.rest for t in anatomy.head if not t.rest.endswith(("weight", "bias"))]
    said += [f"{', '.join(further)} acts on each logit"] * bool(further)
    return "; ".join([*said, *([f"logit soft-cap at {capped:g}"] if capped else [])])


COPIES = ("hc_mult", "hc_count")
CAPS = ("final_logit_softcapping", "output_logit_soft_cap")
SHIFT = Family("logit shift", _shift, "no last matrix", _why_shift)
