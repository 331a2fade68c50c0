"""A causal language model of a configuration, as a module of PyTorch and as a model."""

# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from eqprop.arguments import got, short
from eqprop.claims import Model
from eqprop.engine import unexpected
from eqprop.errors import InvalidInput
from eqprop.torch import from_module
from eqprop.transformers.raising import Raised, in_float64
from eqprop.transformers.sizes import VARIANTS, tiny

TOKENS = (2, 5)
"""The shape of the example batch."""

VERSION = str(transformers.__version__)


@dataclass(frozen=True)
class Network:
    """A causal language model.

    Attributes:
        config: its configuration.
        module: of PyTorch, with weights in float64.
        model: the module as a model.
    """

    config: Any
    module: torch.nn.Module
    model: Model


def model_types(wanted: Iterable[str]) -> tuple[str, ...]:
    """The model types that are asked for, or all causal language models.

    Raises:
        InvalidInput: for one that transformers does not have among these.
    """
    known = tuple(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    asked = tuple(wanted)
    for one in asked:
        if one not in known:
            msg = f"{short(one)} is no causal language model of transformers {VERSION}; it has {', '.join(known)}."
            raise InvalidInput(msg)
    return asked or known


def network_of(config: Any, *, raised: bool, name: str = "", outputs: Any = None) -> Network:
    """The network of a configuration or of a model type.

    Args:
        config: as in ``eqprop.transformers.from_config``.
        raised: likewise.
        name: likewise.
        outputs: of the logits, what is verified; these by default.
    """
    if isinstance(config, str):
        config = _tiny(model_types([config])[0])
    if not isinstance(config, transformers.PretrainedConfig):
        msg = f"eqprop.transformers.from_config: config is {got(config)}; expected a configuration or a model type."
        raise InvalidInput(msg)
    name = name or config.model_type
    module = _module(config, name)
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, config.get_text_config().vocab_size, TOKENS)
    tokens[0, :2] = 0, config.get_text_config().vocab_size - 1  # tokens are redrawn within the example's range
    pick = (lambda found: found.logits) if outputs is None else (lambda found: outputs(found.logits))
    inputs = {"input_ids": tokens}
    whole = Raised(module) if raised else module
    model = from_module(whole, inputs, outputs=pick, name=name)
    # Random weights are no point of interest: every probe draws its own.
    return Network(config, module, replace(_named(model) if raised else model, trained=False))


def _named(model: Model) -> Model:
    """The model with the paths that its tensors have in the module that is raised."""
    inside = "whole."

    def apply(params: Any, inputs: Any) -> Any:
        return model.apply({inside + path: leaf for path, leaf in params.items()}, inputs)

    params = {path.removeprefix(inside): leaf for path, leaf in model.params.items()}
    return replace(model, apply=apply, params=params, state=tuple(path.removeprefix(inside) for path in model.state))


def _tiny(model_type: str) -> Any:
    """The first variant of a tiny configuration whose model runs."""
    errors: list[Exception] = []
    for variant in VARIANTS:
        try:
            config = tiny(model_type, variant)
            module = _module(config, model_type)
            with torch.no_grad(), in_float64():
                module(input_ids=torch.arange(TOKENS[1])[None])
        except Exception as error:  # noqa: BLE001 - raised below where no variant works
            errors.append(error)
        else:
            return config
    error = errors[0].__cause__ or errors[0]
    msg = f"{model_type}: no tiny configuration ({unexpected(error)}). Give one of your own."
    raise InvalidInput(msg) from error


def _module(config: Any, name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    try:
        module = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        if any(parameter.ndim == 3 for parameter in module.parameters()):
            module.set_experts_implementation("eager")  # the usual one refuses float64
    except Exception as error:
        msg = f"{name}: transformers makes no model of its configuration ({unexpected(error)})."
        raise InvalidInput(msg) from error
    module.config.use_cache = False
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) / 2)
    return module
