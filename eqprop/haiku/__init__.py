"""Haiku's transformed functions as models. Haiku is imported once a function is given."""

from eqprop.haiku.modules import from_module as from_module
