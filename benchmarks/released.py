"""Models of the library ``transformers``: the symmetries that ``eqprop architectures`` tries, and those ``find`` finds.

What is tried is declared from names and types of tensors; ``find`` has the callable alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers

import eqprop
from eqprop.claims import Transformation
from eqprop.finding import Symmetries, covered, find
from eqprop.transformers.anatomy import Anatomy
from eqprop.transformers.forms import Form
from eqprop.transformers.networks import Network, network_of
from eqprop.transformers.trying import fitting

COMMON = {"vocab_size": 11, "pad_token_id": None, "bos_token_id": 1, "eos_token_id": 1, "num_hidden_layers": 1}
ATTENTION = {
    "hidden_size": 16,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "intermediate_size": 10,
    "max_position_embeddings": 7,
}
SIZES: dict[str, dict[str, Any]] = {
    "gpt2": {"n_positions": 7, "n_embd": 16, "n_head": 4, "n_inner": 10},
    "llama": ATTENTION,
    "gemma": ATTENTION,
    "mixtral": {**ATTENTION, "num_local_experts": 3, "num_experts_per_tok": 2},
    "mamba": {"hidden_size": 10, "state_size": 3, "conv_kernel": 2, "time_step_rank": 2},
}
"""Tiny configurations, by model type."""


class Compared(NamedTuple):
    """A symmetry that an architecture has.

    Attributes:
        symmetry: its family; of gains the norm's name.
        form: in which it holds.
        found: whether it lies among what is found.
    """

    symmetry: str
    form: str
    found: bool


def compared(architecture: str) -> tuple[list[Compared], Symmetries]:
    """Each symmetry that holds, with whether it is found; and all that is found of the model as it is.

    What holds once gains are 1 is looked for in the model without these gains.

    Args:
        architecture: a key of ``SIZES``.
    """
    config = transformers.AutoConfig.for_model(architecture, **COMMON, **SIZES[architecture])
    network = network_of(config, raised=True, outputs=lambda logits: torch.log_softmax(logits, -1))
    forms = fitting(Anatomy(network))
    found = find(network.model, prove=False)
    return list(_compared(network, forms, found)), found


def _compared(network: Network, forms: list[tuple[str, Form]], found: Symmetries) -> Iterator[Compared]:
    plain = [(symmetry, form) for symmetry, form in forms if form.domain is None]
    known = _covered(network.model, [form.transformation for _, form in plain], found)
    yield from (Compared(symmetry, form.text, there) for (symmetry, form), there in zip(plain, known, strict=True))
    for symmetry, form in forms:
        if form.domain is not None:
            model, claim = folded(network.model, form)
            yield Compared(symmetry, form.text, *_covered(model, [claim], find(model, prove=False)))


def _covered(model: eqprop.Model, claims: list[Transformation], found: Symmetries) -> list[bool]:
    return covered(model, claims, [one.found.transformation for one in found.found])


def folded(model: eqprop.Model, form: Form) -> tuple[eqprop.Model, Transformation]:
    """The model without the parameters that are fixed for a form, and what it does to the others."""
    assert form.domain is not None, "something is fixed"
    before, after = dict(model.params), dict(form.domain(model.params))
    fixed = {path: after[path] for path in before if not np.array_equal(before[path], after[path])}

    def rest(params: Any) -> Any:
        return {path: leaf for path, leaf in params.items() if path not in fixed}

    def moved(element: Any, params: Any) -> Any:
        return rest(form.transformation.on_params(element, {**params, **fixed}))

    inner = replace(model, apply=lambda params, x: model.apply({**params, **fixed}, x), params=rest(before))
    return inner, replace(form.transformation, on_params=moved)
