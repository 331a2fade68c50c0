"""Experts that change places, and what their router does not see."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import numpy as np

from eqprop.actions import experts, softmax_shift
from eqprop.transformers.anatomy import Anatomy, Tensor
from eqprop.transformers.forms import Family, Form, nothing
from eqprop.transformers.views import Part, seen_through

IDLE = ("zero_expert_num",)
"""Experts without weights, which stand behind the others in the router."""


def _stacks(anatomy: Anatomy) -> list[Tensor]:
    """The matrices of all experts as one tensor each."""
    return [
        t for t in anatomy.tensors if t.stack and len(t.shape) == 3 and "expert" in f"{t.path}{type(t.owner)}".lower()
    ]


def _block(tensor: Tensor) -> str:
    return f"{tensor.stack}{tensor.number}.{tensor.rest.partition('.')[0]}."


def _axes(anatomy: Anatomy) -> dict[str, tuple[int, int]]:
    """Path → axis and number of experts, of all that an expert has, in the blocks that have experts."""
    counts = {_block(t): t.shape[0] for t in _stacks(anatomy)}
    idle = sum(value for name in IDLE if isinstance(value := getattr(anatomy.config, name, None), int))
    state = {path: np.shape(anatomy.network.model.params[path]) for path in anatomy.network.model.state}
    shapes = {**{t.path: t.shape for t in anatomy.tensors}, **state}
    found: dict[str, tuple[int, int]] = {}
    for path, shape in shapes.items():
        for count in (count for block, count in counts.items() if path.startswith(block)):
            lengths = [length for length in (count, count + idle) if length in shape]
            if lengths:
                found[path] = shape.index(lengths[0]), count
    return found


def _permuted(anatomy: Anatomy) -> Iterator[Form]:
    """Experts in another order, with the router's rows and what is added to choose among them."""
    axes = _axes(anatomy)
    for count in dict.fromkeys(count for _, count in axes.values() if count > 1):
        parts = {path: Part(path, axis, np.arange(count)) for path, (axis, n) in axes.items() if n == count}
        yield Form(f"S_{count}", seen_through(parts, experts(count, dict.fromkeys(parts, 0))))


def _routers(anatomy: Anatomy) -> dict[str, int]:
    """The matrices that score the experts, and their biases: path → axis."""
    axes, owners = _axes(anatomy), {id(t.owner) for t in _stacks(anatomy)}
    return {
        t.path: axes[t.path][0] for t in anatomy.tensors if t.path in axes and id(t.owner) not in owners and _scores(t)
    }


def _scores(tensor: Tensor) -> bool:
    return any(word in tensor.rest for word in ("gate", "router")) and not tensor.is_norm


def _shifted(anatomy: Anatomy) -> Iterator[Form]:
    """The same is added to the scores of all experts."""
    routers = _routers(anatomy)
    if routers:
        yield Form("+ a", softmax_shift(anatomy.network.model.params, routers, name="router"))


def _why_shift(anatomy: Anatomy) -> str:
    """What the configuration says, else the source of the router or of what holds it."""
    said = [value for name in SCORING if isinstance(value := getattr(anatomy.config, name, None), str)]
    if said:
        return f"scores through a {said[0]}"
    homes = {path.rpartition(".")[0] for path in _routers(anatomy)}
    modules = [anatomy.network.module.get_submodule(path) for home in homes for path in (home, home.rpartition(".")[0])]
    return "scores through a sigmoid" if any("sigmoid" in inspect.getsource(type(m)) for m in modules) else ""


def _unread(anatomy: Anatomy) -> str:
    return "how experts are chosen is not read here" if _stacks(anatomy) else ""


SCORING = ("scoring_func", "moe_router_activation", "score_func", "score_function", "router_score_function")
EXPERTS = Family("experts permuted", _permuted, "no experts", nothing, _unread)
ROUTER = Family("router shift", _shifted, "no router", _why_shift, _unread)
