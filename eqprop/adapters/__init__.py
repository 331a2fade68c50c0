"""What the adapters to libraries of modules have in common: tensors by their paths, state, and a model of both."""

from eqprop.adapters.calling import arguments_of as arguments_of
from eqprop.adapters.calling import initialised as initialised
from eqprop.adapters.libraries import Module as Module
from eqprop.adapters.libraries import library as library
from eqprop.adapters.libraries import named as named
from eqprop.adapters.models import model_of as model_of
from eqprop.adapters.tensors import Named as Named
from eqprop.adapters.tensors import Tensors as Tensors
