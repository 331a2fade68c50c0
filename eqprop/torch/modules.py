"""A ``torch.nn.Module`` as a model. PyTorch is imported once a module is given."""

from __future__ import annotations

from collections.abc import Callable

from eqprop.adapters import Module, library, model_of
from eqprop.claims import Inputs, Model
from eqprop.engine import Tree, numbers_context


def from_module(
    module: Module,
    inputs: Inputs,
    *,
    outputs: Callable[[Tree], Tree] | None = None,
    loss: Callable[[Tree], Tree] | None = None,
    name: str = "",
) -> Model:
    """The module as a model whose values and derivatives of every order are torch's own.

    The parameters are a dictionary with the names of ``named_parameters()`` (``layers.0.weight``), and beside them the
    buffers with those of ``named_buffers()``. A transformation moves buffers as it does parameters, derivatives do not
    act on them, and what a module in training mode stores into them is forgotten. A buffer with infinite numbers, as
    that of a mask, stays inside, and one of complex numbers, as the turns of rotary positions.

    Args:
        module: a ``torch.nn.Module`` on the CPU, deterministic. Gradient hooks of its parameters are part of its
            derivatives. Once it was verified and is changed, a hook of it among others, this is called again.
        inputs: an example batch, tensors or arrays: a tuple of the arguments of ``forward``, a dict of arguments by
            name, or the only argument.
        outputs: picks what is verified from what ``forward`` returns; by default every tensor in it.
        loss: of the outputs so picked, a torch function with its targets inside. Without one, losses are drawn.
        name: used in reports and test ids; that of the class by default.

    Raises:
        InvalidInput: where PyTorch is not installed; for what is no module, parameters on another device, arguments
            that ``forward`` does not take, outputs that are no tensors in floating point, a module that draws random
            numbers.
    """
    library("torch", extra="torch")
    from eqprop.torch.bridges import Bridge

    whole = Bridge(module, inputs, name, outputs)
    with numbers_context("float64"):  # the first call is in the module's own types, float64 among them
        return model_of(
            whole.apply,
            whole.params,
            whole.state,
            whole.inputs,
            loss=None if loss is None else whole.bridged_loss(loss),
            name=whole.name,
            differentiate_state=False,
        )
