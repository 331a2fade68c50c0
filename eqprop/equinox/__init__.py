"""Modules of Equinox as models, as they are. Equinox is imported once a module is given."""

from eqprop.equinox.modules import from_module as from_module
