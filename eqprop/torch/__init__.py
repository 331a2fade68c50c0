"""Modules of PyTorch as models, with PyTorch's own derivatives. PyTorch is imported once a module is given."""

from eqprop.torch.modules import from_module as from_module
