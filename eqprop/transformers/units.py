"""Symmetries of what stands beside attention: hidden units between two matrices, and experts that change places."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from eqprop.actions import experts, hidden_units
from eqprop.groups import Scaling
from eqprop.transformers.anatomy import Anatomy, Tensor
from eqprop.transformers.forms import Family, Form

Places = dict[str, int]


def _pieces(anatomy: Anatomy) -> Iterator[tuple[int, list[Places], Places]]:
    """For each block with hidden units, each matrix (or half of one) that writes them alone, and all that read them."""
    layers = [t for t in anatomy.tensors if t.stack and not t.in_attention and t.is_weight and not t.is_norm]
    down = {t: axes[0] for t in layers if anatomy.axis_written(t) is not None and (axes := _others(anatomy, t))}
    for block, count in dict.fromkeys((_block(t), t.shape[axis]) for t, axis in down.items()):
        mine = [t for t in layers if _block(t) == block]
        reads = {t.everywhere: down[t] for t in mine if t in down and t.shape[down[t]] == count}
        writes: dict[str, Places] = {}
        for t in mine:
            if t not in down and anatomy.axis_read(t) is not None and (axes := _others(anatomy, t)):
                for what, path in _halves(t, axes[0], count).items():
                    writes.setdefault(f"{t.rest}{what}", {})[path] = axes[0]
        if writes:
            yield count, list(writes.values()), reads


def _block(tensor: Tensor) -> str:
    """Of a layer what holds both matrices: an MLP, the experts, those that are shared."""
    return tensor.rest.removesuffix(".weight").rpartition(".")[0]


def _others(anatomy: Anatomy, tensor: Tensor) -> list[int]:
    """The axes that are not the stream's: the units', the last of them."""
    stream = anatomy.axis_written(tensor), anatomy.axis_read(tensor)
    found = [i for i in range(len(tensor.shape)) if i not in stream]
    return [i for i in reversed(found) if len(tensor.shape) == 2 or i != 0]


def _halves(tensor: Tensor, axis: int, count: int) -> dict[str, str]:
    """The pattern of the whole, or of each part of a tensor that holds up-projection and gate."""
    if tensor.shape[axis] == count:
        return {"": tensor.everywhere}
    if tensor.shape[axis] != 2 * count:
        return {}
    before = ":, " * axis
    cuts = {
        "first": f"0:{count}",
        "second": f"{count}:{2 * count}",
        "odd": f"1:{2 * count}:2",
        "even": f"0:{2 * count}:2",
    }
    return {what: f"{tensor.everywhere}[{before}{cut}]" for what, cut in cuts.items()}


def _scalings(anatomy: Anatomy) -> Iterator[Form]:
    """c on what writes the units, c⁻ᵖ on what reads them."""
    for count, writes, reads in _pieces(anatomy):
        for power, up in product((1, 2, 3), writes):
            biases = {t.everywhere: 0 for t in anatomy.tensors if _is_bias_of(t, up, count)}
            moved = hidden_units(Scaling(count), writes={**up, **biases}, reads=reads, power=power, name="units")
            yield Form("up c, down c⁻¹" if power == 1 else f"up c, down c⁻{'²³'[power - 2]}", moved)


def _is_bias_of(tensor: Tensor, up: Places, count: int) -> bool:
    weights = {path.replace(".weight", ".bias") for path in up}
    return tensor.everywhere in weights and tensor.shape == (count,)


def _experts(anatomy: Anatomy) -> Iterator[Form]:
    """Experts in another order, the router's rows with them."""
    counts = [value for name in EXPERT_COUNTS if isinstance(value := getattr(anatomy.config, name, None), int)]
    for count in dict.fromkeys(counts):
        axes = {t.everywhere: t.shape.index(count) for t in anatomy.tensors if t.stack and count in t.shape}
        axes |= {
            path: 0 for path in anatomy.network.model.state if np.shape(anatomy.network.model.params[path]) == (count,)
        }
        if count > 1 and any(t.stack and len(t.shape) == 3 and count in t.shape for t in anatomy.tensors):
            yield Form(f"S_{count}", experts(count, axes))


EXPERT_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")


def _why_units(anatomy: Anatomy) -> str:
    said = [
        f"clamped at {value:g}"
        for name in CLAMPS
        if isinstance(value := getattr(anatomy.config, name, None), int | float) and value
    ]
    act = next((value for name in ACTIVATIONS if isinstance(value := getattr(anatomy.config, name, None), str)), "")
    alone = all(len(writes) == 1 for _, writes, _ in _pieces(anatomy))
    return "; ".join(said) or (f"{act} is not homogeneous, and nothing is gated" if act and alone else "")


CLAMPS = ("swiglu_limit", "swiglu_limits", "limit")
ACTIVATIONS = ("hidden_act", "hidden_activation", "activation_function", "mlp_hidden_act", "activation")
UNITS = Family("up–down", _scalings, "no hidden units between known tensors", _why_units)
EXPERTS = Family("experts permuted", _experts, "no experts", lambda anatomy: "")
