"""Modules of Flax, linen's and nnx's, as models. Flax is imported once a module is given."""

from eqprop.flax.modules import from_module as from_module
