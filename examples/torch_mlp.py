"""A network of PyTorch, and the factors of its hidden units."""

import torch
from torch import nn

import eqprop
from eqprop import groups

net = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 4))
model = eqprop.torch.from_module(net, torch.ones(8, 3), name="torch-mlp")
rescaling = eqprop.hidden_units(groups.Scaling(16), writes={"0.weight": 0, "0.bias": 0}, reads={"2.weight": 1})
pair = eqprop.Pair(model, rescaling)
