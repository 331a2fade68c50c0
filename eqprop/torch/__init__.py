"""Modules of PyTorch as models, with PyTorch's own derivatives."""

from importlib.util import find_spec

if find_spec("torch") is None:
    msg = "eqprop.torch needs PyTorch: pip install 'eqprop[torch]'."
    raise ModuleNotFoundError(msg, name="torch")

from eqprop.torch.modules import from_module as from_module

__all__ = ["from_module"]
