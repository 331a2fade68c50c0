"""The door: what imports PyTorch does so from here, once it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from eqprop.adapters import library
from eqprop.arguments import each_of, flag, function_of, text_of
from eqprop.claims import Model
from eqprop.transformers.rows import Row

EXTRA = "transformers"


def from_config(config: Any, *, raised: bool = False, name: str = "") -> Model:
    """A random model of a ``transformers`` configuration, with PyTorch's own derivatives.

    Args:
        config: a configuration, which is taken as it is, or a model type such as ``"llama"``, which gets a tiny one:
            two layers, a stream of 32, four heads of 8. A causal language model is made, in float64, in evaluation
            mode, with attention written out (``"eager"``), which has derivatives of every order.
        raised: whether every request for float32 inside of it is answered in float64. As released many norms, softmaxes
            and rotary tables are computed in float32, and nothing finer can be told of them.
        name: used in reports; the model type by default.

    Returns:
        The model: f gives the logits of a batch of tokens, the parameters have the names of ``named_parameters()``.

    Raises:
        InvalidInput: where PyTorch or transformers is not installed, for a type that it does not have or that is no
            causal language model, for a configuration that it cannot make a model of.
    """
    text_of(name, "from_config: name", example="'llama'")
    _libraries()
    from eqprop.transformers.networks import network_of

    return network_of(config, raised=flag(raised, "raised"), name=name).model


def table(architectures: Iterable[str] = (), *, on_row: Callable[[Row], None] = lambda row: None) -> tuple[Row, ...]:
    """Which symmetries released causal language models have.

    Each family of symmetries is read off the configuration and the tensors; its forms, the largest group first, are
    tried at a drawn element in float64 (``raised``), and those that leave the outputs as they are go to the property
    library, all at once: the premise f(K_g θ, x) = f(θ, x) at drawn weights, tokens and elements.

    Args:
        architectures: model types; all causal language models of the release by default.
        on_row: called with each row when it is there.

    Raises:
        InvalidInput: where PyTorch or transformers is not installed, for a type that transformers does not have, for
            what is no list of names, and for an ``on_row`` that cannot be called.
    """
    wanted = each_of(architectures, str, "table: architectures", example="['llama', 'gpt2']")
    function_of(on_row, ("row",), "table: on_row")
    _libraries()
    from eqprop.transformers.networks import model_types
    from eqprop.transformers.trying import row_of

    rows: list[Row] = []
    for architecture in model_types(wanted):
        rows.append(row_of(architecture))
        on_row(rows[-1])
    return tuple(rows)


def _libraries() -> None:
    for module in ("torch", "transformers"):
        library(module, extra=EXTRA)
