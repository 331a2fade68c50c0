"""Hidden units between two matrices: scaled in the one, and back in the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from eqprop.actions import hidden_units
from eqprop.groups import Scaling
from eqprop.transformers.anatomy import Anatomy, Tensor
from eqprop.transformers.forms import Family, Form, nothing

Places = dict[str, int]


@dataclass(frozen=True)
class Units:
    """The hidden units of a block.

    Attributes:
        block: what holds both matrices.
        count: how many.
        writes: each matrix, or part of one, that writes them alone.
        reads: all that read them.
    """

    block: str
    count: int
    writes: list[Places]
    reads: Places


def _units(anatomy: Anatomy) -> Iterator[Units]:
    layers = [t for t in anatomy.tensors if t.stack and t.is_weight and not t.is_norm and _is_of_units(t)]
    down = {t: axes[0] for t in layers if anatomy.axis_written(t) is not None and (axes := _others(anatomy, t))}
    for block, count in dict.fromkeys((_block(t), t.shape[axis]) for t, axis in down.items()):
        reads = {t.path: axis for t, axis in down.items() if (_block(t), t.shape[axis]) == (block, count)}
        own = [t for t in layers if _block(t) == block and t not in down]
        writes = _writes(anatomy, own, count) or _writes(anatomy, [t for t in layers if t not in down], count)
        if writes:
            yield Units(block, count, writes, reads)


def _is_of_units(tensor: Tensor) -> bool:
    """Whether it may belong to an MLP: in some networks every block is called a mixer; recurrences have other units."""
    if any(word in tensor.rest.partition(".")[0] for word in ("mamba", "lstm")):
        return False
    return not tensor.in_attention or "up_proj" in tensor.rest or "down_proj" in tensor.rest


def _writes(anatomy: Anatomy, tensors: list[Tensor], count: int) -> list[Places]:
    """What writes so many units, by what it is called in all layers."""
    writes: dict[str, Places] = {}
    for t in tensors:
        if anatomy.axis_read(t) is not None and (axes := _others(anatomy, t)):
            for what, path in _halves(t, axes[0], count).items():
                writes.setdefault(f"{t.rest}{what}", {})[path] = axes[0]
    return list(writes.values())


def _block(tensor: Tensor) -> str:
    """Of a layer what holds both matrices: an MLP, the experts, those that are shared."""
    return tensor.home.rpartition(".")[0] if tensor.rest.endswith(".weight") else tensor.home


def _others(anatomy: Anatomy, tensor: Tensor) -> list[int]:
    """The axes that are not the stream's: the units', the last of them."""
    stream = anatomy.axis_written(tensor), anatomy.axis_read(tensor)
    found = [i for i in range(len(tensor.shape)) if i not in stream]
    return [i for i in reversed(found) if len(tensor.shape) == 2 or i != 0]


def _halves(tensor: Tensor, axis: int, count: int) -> dict[str, str]:
    """The whole, or each part of a tensor that holds up-projection and gate."""
    if tensor.shape[axis] == count:
        return {"": tensor.path}
    if tensor.shape[axis] != 2 * count:
        return {}
    before = ":, " * axis
    cuts = {
        "first": f"0:{count}",
        "second": f"{count}:{2 * count}",
        "odd": f"1:{2 * count}:2",
        "even": f"0:{2 * count}:2",
    }
    return {what: f"{tensor.path}[{before}{cut}]" for what, cut in cuts.items()}


def _scalings(anatomy: Anatomy, units: Units) -> Iterator[Form]:
    """c on what writes the units, c⁻ᵖ on what reads them."""
    for power, up in product((1, 2, 3), units.writes):
        biases = {t.path: 0 for t in anatomy.tensors if _is_bias_of(t, up, units.count)}
        scaling = Scaling(units.count)
        moved = hidden_units(scaling, writes={**up, **biases}, reads=units.reads, power=power, name="units")
        yield Form(f"up c, down c⁻{'¹²³'[power - 1]}", moved)


def _is_bias_of(tensor: Tensor, up: Places, count: int) -> bool:
    weights = {path.replace(".weight", ".bias") for path in up}
    return tensor.path in weights and tensor.shape == (count,)


def _why(anatomy: Anatomy, units: Units) -> str:
    clamps = [
        f"clamped at {value:g}"
        for name in CLAMPS
        if isinstance(value := getattr(anatomy.config, name, None), int | float) and value
    ]
    normed = [t for t in anatomy.tensors if t.is_norm and t.shape == (units.count,) and t.home.startswith(units.block)]
    act = next((value for name in ACTIVATIONS if isinstance(value := getattr(anatomy.config, name, None), str)), "")
    said = [*clamps, *(["a norm on the hidden units"] if normed else [])]
    alone = len(units.writes) == 1
    return "; ".join(said) or (f"{act or 'its activation'} is not homogeneous, and nothing is gated" if alone else "")


def _unread(anatomy: Anatomy, units: Units) -> str:
    """Vectors as long as the units that are no bias, or whatever else lies between."""
    names = [
        t.rest
        for t in anatomy.tensors
        if t.shape == (units.count,)
        and not t.is_norm
        and t.home.startswith(units.block)
        and not t.rest.endswith("bias")
    ]
    what = ", ".join(dict.fromkeys(names)) or "what is done to the units"
    return f"{what} is not read here"


def unit_families(anatomy: Anatomy) -> list[Family]:
    """One for each block with hidden units."""
    families = [_family(units) for units in _units(anatomy)]
    return families or [Family(NAME, lambda anatomy: (), "no hidden units between known tensors", nothing)]


def _family(units: Units) -> Family:
    return Family(
        NAME,
        lambda anatomy: _scalings(anatomy, units),
        "",
        lambda anatomy: _why(anatomy, units),
        lambda anatomy: _unread(anatomy, units),
        units.block,
    )


NAME = "up–down"
CLAMPS = ("swiglu_limit", "swiglu_limits", "limit")
ACTIVATIONS = ("hidden_act", "hidden_activation", "activation_function", "mlp_hidden_act", "activation")
