"""Modules and optimisers of PyTorch, with PyTorch's own derivatives and steps. It is imported once one is given."""

from eqprop.torch.modules import from_module as from_module
from eqprop.torch.steps import from_optimizer as from_optimizer
from eqprop.torch.steps import is_optimizer as is_optimizer
